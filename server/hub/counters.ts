import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { NotRecovered } from '@axiom-streaming/protocol/message';

/** What a tail counts. */
export interface TailCounters {
  gapFills: number;
  epochRotations: number;
  epochChanges: number;
  lostMessages: number;
}

/** How a stream's messages were delivered, summed over its readers. */
export interface ReaderCounts {
  /** Messages handed to connections. */
  delivered: number;
  /** Messages that were folded into a newer one. */
  conflated: number;
  /** Messages that a slow connection did not get; it was notified. */
  dropped: number;
}

/** What was done about slow connections. */
export interface SlowCounters {
  /** `state` streams were conflated: connections. */
  conflated: number;
  /** The oldest of a `log` stream were dropped: connections. */
  dropped: number;
  /** Ended with 4008: connections. */
  closed: number;
}

/** What a hub counts, for metrics. */
export interface HubCounters extends TailCounters {
  /** Messages received from the log, by stream. */
  readonly received: Map<string, number>;
  /** Topics that connections read now, each counted per connection. */
  subscriptions: number;
  readonly slowConsumers: SlowCounters;
  readonly recoveries: Map<NotRecovered | 'recovered', number>;
  /** Connections that ended: the name of the close code, or `client` if the client or the network ended it. */
  readonly disconnects: Map<string, number>;
}

const OUTCOMES = ['recovered', 'epoch_changed', 'trimmed', 'ahead', 'limit', 'no_position'] as const;

/** Counters at zero: each series exists before its first event, so that the first increase is visible. */
export function hubCounters(streams: readonly string[]): HubCounters {
  return {
    received: new Map(streams.map((stream) => [stream, 0])),
    recoveries: new Map(OUTCOMES.map((outcome) => [outcome, 0])),
    slowConsumers: { conflated: 0, dropped: 0, closed: 0 },
    disconnects: new Map(
      ['client', ...Object.values(CLOSE).map(({ name }) => name)].map((name) => [name, 0]),
    ),
    subscriptions: 0,
    gapFills: 0,
    epochRotations: 0,
    epochChanges: 0,
    lostMessages: 0,
  };
}

/** Adds one. */
export function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
