/** The points of the symbol that is charted: the last messages by `rewind`, then live. One at a time. */
import type { Subscription } from '@axiom-streaming/client';
import { numberOf } from '../../live/fields.js';
import { page } from '../../live/page.js';
import { Painted } from '../../live/painter.js';
import type { Point } from '../../parts/price-chart.js';

const REWIND = 600;
const KEPT = 4_000;

class ChartFeed extends Painted {
  readonly key: string;
  points: Point[] = [];
  begun = false;
  error: string | undefined;
  readonly #subscription: Subscription;

  constructor(key: string) {
    super();
    this.key = key;
    this.#subscription = page.hub.subscribe<string, unknown>(
      `market:${key}`,
      { rewind: REWIND },
      ({ time, data }) => {
        const value = numberOf(data, 'price');
        if (value === undefined) return;
        this.points.push({ time, value });
        if (this.points.length > KEPT) this.points.splice(0, KEPT / 2);
        this.changed();
      },
    );
    this.#subscription.ready.then(
      () => {
        this.begun = true;
        this.changed();
      },
      (error: Error) => {
        this.error = error.message;
        this.changed();
      },
    );
  }

  close(): void {
    this.#subscription.close();
  }
}

let current: ChartFeed | undefined;

/** The feed of a symbol; that of another one is closed. */
export function chartOf(key: string): ChartFeed {
  if (current?.key !== key) {
    current?.close();
    current = new ChartFeed(key);
  }
  return current;
}
