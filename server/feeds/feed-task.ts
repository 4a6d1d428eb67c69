import type { Publisher, PublishResult } from '../hub/operations/publisher.js';
import type { Feed } from './feed.js';
import { type Outage, reasonOf } from './outage.js';
import type { Timing } from './timing.js';

/** The outcomes of a feed's messages on this node, since its start. */
export interface FeedCounters {
  committed: number;
  /** Already in the log: another node had published the tick. */
  duplicates: number;
  /** Refused, or the log was unreachable. */
  failed: number;
  /** Ticks that were skipped because the one before was still being published. */
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
 * A tick that fails is not tried again, because the next one replaces it; so an outage causes neither a queue nor a
 * burst. At most one tick is in flight.
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
   * Publishes the current tick, unless that was done, and schedules the next one. Stops when the lease has expired; to
   * be called each time the lease was taken or renewed.
   */
  readonly run = (): void => {
    this.#cancel?.();
    const { feed, timing, held } = this.#options;
    if (this.#stopped || !held()) return;
    const now = timing.now();
    const tick = Math.floor(now / feed.intervalMs);
    this.#cancel = timing.schedule(this.run, Math.max(1, (tick + 1) * feed.intervalMs - now));
    // The tick is published already if a timer ran a little early, or if the lease was regained within the tick.
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

  /** Stops publishing; resolves when the tick in flight has its outcome. */
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

  /** @returns the reason of the first failure, or undefined if none failed. */
  #count(results: readonly PublishResult[]): string | undefined {
    let reason: string | undefined;
    for (const result of results) {
      if (result.ok) this.counters[result.duplicate ? 'duplicates' : 'committed'] += 1;
      // Another node published the tick of a feed that measures, with other figures.
      else if (result.error.code === 'idempotency_conflict') this.counters.duplicates += 1;
      else {
        this.counters.failed += 1;
        reason ??= result.error.message;
      }
    }
    return reason;
  }
}
