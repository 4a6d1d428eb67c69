import type { HubMessage } from '@axiom-streaming/client';
import { fieldOf, numberOf, textOf } from '../../live/fields.js';
import { Painted } from '../../live/painter.js';
import type { Point } from '../../live/point.js';
import type { StreamStore } from '../../live/stream-store.js';

const KEPT = 1_000;

/** One book. */
export interface Book {
  readonly key: string;
  data: unknown;
  seq: number;
  time: number;
  readonly values: Point[];
}

/** The newest state of each book, and the history of its value. */
export class PortfolioStore extends Painted implements StreamStore {
  readonly books = new Map<string, Book>();
  source: string | undefined;

  take({ topic, seq, time, data, deleted }: HubMessage): void {
    const key = topic.slice(topic.indexOf(':') + 1);
    if (deleted && this.books.delete(key)) this.changed();
    const value = numberOf(data, 'value');
    if (value === undefined) return;
    let book = this.books.get(key);
    if (book === undefined) {
      book = { key, data, seq: 0, time, values: [] };
      this.books.set(key, book);
    }
    if (seq <= book.seq) return;
    book.data = data;
    book.seq = seq;
    book.time = time;
    book.values.push({ time, value });
    if (book.values.length > KEPT) book.values.splice(0, KEPT / 2);
    this.source = textOf(data, 'source');
    this.changed();
  }

  reset(): void {
    for (const book of this.books.values()) book.seq = 0;
  }
}

/** One holding of a book. */
export interface Position {
  readonly symbol: string;
  readonly quantity: number | undefined;
  readonly price: number | undefined;
  readonly value: number | undefined;
  readonly cost: number | undefined;
  readonly pnl: number | undefined;
}

export function positionsOf(data: unknown): Position[] {
  const positions = fieldOf(data, 'positions');
  if (!Array.isArray(positions)) return [];
  return positions.slice(0, 200).map((position: unknown) => ({
    symbol: textOf(position, 'symbol') ?? '?',
    quantity: numberOf(position, 'quantity'),
    price: numberOf(position, 'price'),
    value: numberOf(position, 'value'),
    cost: numberOf(position, 'cost'),
    pnl: numberOf(position, 'pnl'),
  }));
}
