/**
 * Runs feeds once per cluster: every node has a runner, and the one that holds the lease `feed:<name>` publishes.
 *
 * A lease outlives a dead holder by some seconds, and a stalled holder may not know yet that it lost the lease, so for
 * a moment no node or two nodes may publish. Ids per tick make two harmless. A tick that nobody published is not
 * published later: the feeds show the present, not a burst of old prices.
 */
import type { Leases } from '../cluster/leases.js';
import type { Publisher } from '../hub/operations/publisher.js';
import type { Logger } from '../logger.js';
import type { Feed } from './feed.js';
import { type FeedCounters, FeedTask } from './feed-task.js';
import { LeaseKeeper } from './lease-keeper.js';
import { Outage } from './outage.js';
import { SYSTEM_TIMING, type Timing } from './timing.js';

/** A failed holder is replaced within `leaseMs + renewMs / 2`. */
const LEASE_MS = 4_000;
const RENEW_MS = 1_200;

export interface FeedRunnerOptions {
  readonly publisher: Pick<Publisher, 'publishAll'>;
  readonly leases: Leases;
  /** The name of this node, unique in the cluster. */
  readonly holder: string;
  readonly feeds: readonly Feed[];
  readonly logger: Logger;
  readonly now?: Timing['now'] | undefined;
  readonly schedule?: Timing['schedule'] | undefined;
  readonly leaseMs?: number | undefined;
  readonly renewMs?: number | undefined;
}

/** A runner that was stopped cannot be started again. Its timers keep the process alive until it is stopped. */
export class FeedRunner {
  readonly #parts: readonly { name: string; keeper: LeaseKeeper; task: FeedTask }[];
  #started = false;
  #stopping: Promise<void> | undefined;

  constructor(options: FeedRunnerOptions) {
    const { publisher, leases, holder, feeds, logger, leaseMs = LEASE_MS, renewMs = RENEW_MS } = options;
    const { now = SYSTEM_TIMING.now, schedule = SYSTEM_TIMING.schedule } = options;
    const timing: Timing = { now, schedule };
    // One for all feeds: their leases are in one store, which is reachable for all of them or for none.
    const leaseOutage = new Outage(logger, 'feeds: taking leases');
    this.#parts = feeds.map((feed) => {
      const { name } = feed;
      const outage = new Outage(logger, 'feeds: publishing', { feed: name });
      const keeper: LeaseKeeper = new LeaseKeeper({
        leases,
        name: `feed:${name}`,
        holder,
        leaseMs,
        renewMs,
        timing,
        logger,
        outage: leaseOutage,
        onHeld: () => task.run(),
      });
      const task = new FeedTask({ feed, publisher, timing, outage, held: () => keeper.held });
      return { name, keeper, task };
    });
  }

  start(): void {
    if (this.#started || this.#stopping !== undefined) return;
    this.#started = true;
    for (const { keeper } of this.#parts) keeper.start();
  }

  /** Stops publishing and releases the leases, so that another node continues at once. */
  stop(): Promise<void> {
    this.#stopping ??= this.#started ? this.#stop() : Promise.resolve();
    return this.#stopping;
  }

  /** The outcomes of each feed's messages on this node. */
  counters(): ReadonlyMap<string, Readonly<FeedCounters>> {
    return new Map(this.#parts.map(({ name, task }) => [name, task.counters]));
  }

  async #stop(): Promise<void> {
    await Promise.all(
      this.#parts.map(async ({ keeper, task }) => {
        // The lease is released last: until then the tick in flight is this node's.
        await task.stop();
        await keeper.stop();
      }),
    );
  }
}
