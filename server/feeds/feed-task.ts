import type { Publisher, PublishResult } from '../hub/operations/publisher.js';
import type { Feed } from './feed.js';
import { type Outage, reasonOf } from './outage.js';
import type { Timing } from './timing.js';

/** What became of a feed's messages on this node, since its start. */
export interface FeedCounters {
  committed: number;
  /** Known already: another node had published the tick. */
  duplicates: number;
  /** Refused, or the log was out of reach. */
  failed: number;
  /** Ticks that were left out, since the one before was still on its way. */
  skippedTicks: number;
}

export interface FeedTaskOptions {
  readonly feed: Feed;
  readonly publisher: Pick<Publisher, 'publishAll'>;
  readonly timing: Timing;
  readonly outage: Outage;
  /** Whether this node may publish now. */
  readonly held: () => boolean;
}

/**
 * Publishes a feed once per tick, for as long as its lease is held.
 *
 * What fails is not tried again: the next tick replaces it, so an outage makes neither a queue nor a storm. At most one
 * tick is on its way.
 */
export class FeedTask {
  readonly counters: FeedCounters = { committed: 0, duplicates: 0, failed: 0, skippedTicks: 0 };
  readonly #options: FeedTaskOptions;
  #lastTick: number | undefined;
  #inFlight: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: FeedTaskOptions) {
    this.#options = options;
  }

  /**
   * Publishes the present tick, unless that was done, and comes back with the next one. Stops where the lease has ended;
   * to be called whenever the lease was taken or prolonged.
   */
  readonly run = (): void => {
    this.#cancel?.();
    const { feed, timing, held } = this.#options;
    if (this.#stopped || !held()) return;
    const now = timing.now();
    const tick = Math.floor(now / feed.intervalMs);
    this.#cancel = timing.schedule(this.run, Math.max(1, (tick + 1) * feed.intervalMs - now));
    // Timers may run a little early; and a lease that comes back within a tick finds it published.
    if (tick === this.#lastTick) return;
    this.#lastTick = tick;
    if (this.#inFlight !== undefined) {
      this.counters.skippedTicks += 1;
      return;
    }
    this.#inFlight = this.#publish(tick).finally(() => {
      this.#inFlight = undefined;
    });
  };

  /** Publishes no more; resolves when the tick that is on its way has its outcome. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#inFlight;
  }

  async #publish(tick: number): Promise<void> {
    const { feed, publisher, outage } = this.#options;
    let count = 1;
    try {
      const publications = feed.at(tick);
      count = publications.length;
      if (count === 0) return;
      const reason = this.#count(await publisher.publishAll(publications));
      if (reason === undefined) outage.worked();
      else outage.failed(reason);
    } catch (error) {
      this.counters.failed += count;
      outage.failed(reasonOf(error));
    }
  }

  /** @returns why the first of those that failed did, or undefined where none failed. */
  #count(results: readonly PublishResult[]): string | undefined {
    let reason: string | undefined;
    for (const result of results) {
      if (result.ok) this.counters[result.duplicate ? 'duplicates' : 'committed'] += 1;
      // The tick of a feed that measures was published by another node, with other figures.
      else if (result.error.code === 'idempotency_conflict') this.counters.duplicates += 1;
      else {
        this.counters.failed += 1;
        reason ??= result.error.message;
      }
    }
    return reason;
  }
}
