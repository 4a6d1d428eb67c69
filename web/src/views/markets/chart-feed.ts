/** The points of the charted symbol: the last messages by `rewind`, then live. Only one feed is open at a time. */
import type { Subscription } from '@axiom-streaming/client';
import type { Hub } from '../../live/connection.js';
import { numberOf } from '../../live/fields.js';
import { Painted } from '../../live/painter.js';
import type { Point } from '../../live/point.js';

const REWIND = 600;
const KEPT = 4_000;

class ChartFeed extends Painted {
  readonly key: string;
  points: Point[] = [];
  begun = false;
  error: string | undefined;
  readonly #subscription: Subscription;

  constructor(hub: Hub, key: string) {
    super();
    this.key = key;
    this.#subscription = hub.subscribe<string, unknown>(
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

/** The open feed. */
export class ChartFeeds {
  readonly #hub: Hub;
  #current: ChartFeed | undefined;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** Opens the feed of a symbol, and closes that of another one. */
  of(key: string): ChartFeed {
    if (this.#current?.key !== key) {
      this.#current?.close();
      this.#current = new ChartFeed(this.#hub, key);
    }
    return this.#current;
  }
}
