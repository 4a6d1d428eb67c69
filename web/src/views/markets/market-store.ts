/** The newest price of each key of `market`, with a short trend. */
import type { HubMessage } from '@axiom-streaming/client';
import { numberOf, textOf } from '../../live/fields.js';
import { Painted } from '../../live/painter.js';
import type { StreamStore } from '../../live/stream-store.js';

/** Keys beyond these are counted, not shown. */
export const MAX_ROWS = 500;
const TREND = 80;

/** One symbol. */
export class MarketRow extends Painted {
  readonly key: string;
  readonly trend: number[] = [];
  data: unknown;
  price: number | undefined;
  seq = 0;
  time = 0;
  conflated = 0;
  /** The direction of the last change of the price. */
  direction: 'up' | 'down' | '' = '';
  /** Raised with each message that moved the price. */
  moves = 0;
  #isInView = false;

  constructor(key: string) {
    super();
    this.key = key;
  }

  take({ data, seq, time, conflated }: HubMessage, price: number): void {
    const before = this.price;
    if (before !== undefined && price !== before) {
      this.direction = price > before ? 'up' : 'down';
      this.moves += 1;
    }
    // A new pass of a replay does not continue the last one.
    if (numberOf(data, 'row') === 0) this.trend.length = 0;
    this.trend.push(price);
    if (this.trend.length > TREND) this.trend.shift();
    this.data = data;
    this.price = price;
    this.seq = seq;
    this.time = time;
    this.conflated = conflated ?? 0;
    if (this.#isInView) this.changed();
  }

  /** A line that is scrolled out of view is not painted until it is back. */
  set isInView(isInView: boolean) {
    this.#isInView = isInView;
    if (isInView) this.changed();
  }
}

export class MarketStore extends Painted implements StreamStore {
  readonly rows = new Map<string, MarketRow>();
  readonly leftOut = new Set<string>();
  source: string | undefined;

  take(message: HubMessage): void {
    const key = message.topic.slice('market:'.length);
    if (message.deleted && this.rows.delete(key)) this.changed();
    const price = numberOf(message.data, 'price');
    if (price === undefined) return;
    let row = this.rows.get(key);
    if (row === undefined) {
      if (this.rows.size >= MAX_ROWS) {
        if (this.leftOut.size < MAX_ROWS) this.leftOut.add(key);
        return;
      }
      row = new MarketRow(key);
      this.rows.set(key, row);
      this.source = textOf(message.data, 'source');
      this.changed();
    }
    if (message.seq > row.seq) row.take(message, price);
  }

  reset(): void {
    for (const row of this.rows.values()) row.seq = 0;
  }
}
