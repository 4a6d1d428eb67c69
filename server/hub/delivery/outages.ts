import type { Subscriber } from './subscriber.js';

/**
 * Streams whose log is unreachable, and the connections that were notified. A connection is notified only about the
 * streams that it reads, once at the start of an outage and once at its end: if one master of a Redis Cluster is
 * down, connections that read only streams of the other masters are not told.
 */
export class Outages {
  readonly #away = new Set<string>();
  readonly #told = new Map<Subscriber, Set<string>>();

  /** The log of these streams has become unreachable. */
  begin(streams: readonly string[], subscribers: Iterable<Subscriber>): void {
    for (const stream of streams) this.#away.add(stream);
    for (const subscriber of subscribers) {
      this.tell(
        subscriber,
        streams.filter((stream) => subscriber.readers.has(stream)),
      );
    }
  }

  /** These streams are live again. */
  end(streams: readonly string[]): void {
    for (const stream of streams) this.#away.delete(stream);
    for (const [subscriber, told] of this.#told) {
      const over = streams.filter((stream) => told.delete(stream));
      if (over.length === 0) continue;
      if (told.size === 0) this.#told.delete(subscriber);
      subscriber.degraded({ degraded: false, reason: 'log_unavailable', streams: over });
    }
  }

  /** Tells a connection which of these streams have an unreachable log, unless it was already told. */
  tell(subscriber: Subscriber, streams: Iterable<string>): void {
    if (this.#away.size === 0) return;
    const told = this.#told.get(subscriber) ?? new Set();
    const news = [...streams].filter((stream) => this.#away.has(stream) && !told.has(stream));
    if (news.length === 0) return;
    this.#told.set(subscriber, new Set([...told, ...news]));
    subscriber.degraded({ degraded: true, reason: 'log_unavailable', streams: news });
  }

  /** A connection has ended. */
  forget(subscriber: Subscriber): void {
    this.#told.delete(subscriber);
  }
}
