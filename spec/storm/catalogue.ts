/** The streams of a storm: each class with light and with heavy messages, and one that is trimmed all the time. */
import type { StreamClass } from '@axiom-streaming/protocol/message';

export interface StormStream {
  readonly class: StreamClass;
  readonly keys: readonly string[];
  /** Of all publishers together. */
  readonly perSecond: number;
  /** Added to each message, bytes. */
  readonly padding: number;
  readonly maxMessages: number;
}

const keys = (count: number) => Array.from({ length: count }, (_, i) => `k${i}`);

export const STORM_STREAMS: Readonly<Record<string, StormStream>> = {
  prices: { class: 'state', keys: keys(12), perSecond: 80, padding: 40, maxMessages: 100_000 },
  news: { class: 'log', keys: keys(6), perSecond: 50, padding: 80, maxMessages: 100_000 },
  orders: { class: 'ledger', keys: keys(6), perSecond: 50, padding: 60, maxMessages: 100_000 },
  // A client that is away for some seconds finds that it was trimmed.
  brief: { class: 'log', keys: keys(3), perSecond: 60, padding: 20, maxMessages: 200 },
  // What slow readers are slow on.
  books: { class: 'state', keys: keys(4), perSecond: 25, padding: 24_000, maxMessages: 1_000 },
  reports: { class: 'log', keys: keys(3), perSecond: 25, padding: 24_000, maxMessages: 1_000 },
  fills: { class: 'ledger', keys: keys(3), perSecond: 25, padding: 24_000, maxMessages: 1_000 },
};

/** The content of the nodes' `STREAMS_FILE`. */
export function streamsFile(): string {
  return JSON.stringify(
    Object.fromEntries(
      Object.entries(STORM_STREAMS).map(([name, { class: streamClass, maxMessages }]) => [
        name,
        { class: streamClass, maxMessages },
      ]),
    ),
  );
}
