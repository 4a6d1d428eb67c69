import type { Subscriber } from './subscriber.js';

/**
 * Streams whose log is out of reach, and the connections that were told so. Each hears of the streams that it reads,
 * once when that begins and once when it has ended: one master of a Redis Cluster that is away is no news for whoever
 * reads only streams of the others.
 */
export class Outages {
  readonly #away = new Set<string>();
  readonly #told = new Map<Subscriber, Set<string>>();

  /** The log of these streams is out of reach from now on. */
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

  /** Tells a connection which of these streams are out of reach, if it was not told before. */
  tell(subscriber: Subscriber, streams: Iterable<string>): void {
    if (this.#away.size === 0) return;
    const told = this.#told.get(subscriber) ?? new Set();
    const news = [...streams].filter((stream) => this.#away.has(stream) && !told.has(stream));
    if (news.length === 0) return;
    this.#told.set(subscriber, new Set([...told, ...news]));
    subscriber.degraded({ degraded: true, reason: 'log_unavailable', streams: news });
  }

  /** A connection is gone. */
  forget(subscriber: Subscriber): void {
    this.#told.delete(subscriber);
  }
}
