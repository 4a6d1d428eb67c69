import type { Leases } from '../cluster/leases.js';
import type { Logger } from '../logger.js';
import { type Outage, reasonOf } from './outage.js';
import type { Timing } from './timing.js';

export interface LeaseKeeperOptions {
  readonly leases: Leases;
  readonly name: string;
  readonly holder: string;
  readonly leaseMs: number;
  /** How often the holder renews its lease. */
  readonly renewMs: number;
  readonly timing: Timing;
  readonly logger: Logger;
  /** The log lines about the store of the leases. */
  readonly outage: Outage;
  /** Called each time the lease was taken or renewed. */
  readonly onHeld: () => void;
}

/**
 * Takes a lease as soon as it is free, and renews it.
 *
 * It never relies on its lease for longer than the store does: a holder that cannot renew it (Redis is unreachable, or
 * the process was stalled) stops by its own clock before another node can take it.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  /** The lease is held before this time. */
  #heldUntil = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  get held(): boolean {
    return this.#options.timing.now() < this.#heldUntil;
  }

  start(): void {
    this.#asking = this.#ask();
  }

  /** Stops asking and releases the lease; if that fails, the lease expires. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    // A request in flight could take the lease after it was released.
    await this.#asking;
    this.#heldUntil = Number.NEGATIVE_INFINITY;
    const { leases, name, holder, logger } = this.#options;
    try {
      await leases.release(name, holder);
    } catch (error) {
      logger.debug({ lease: name, error: reasonOf(error) }, 'feeds: a lease could not be released');
    }
  }

  async #ask(): Promise<void> {
    const { leases, name, holder, leaseMs, renewMs, timing, logger, outage, onHeld } = this.#options;
    const askedAt = timing.now();
    let hasIt = false;
    try {
      hasIt = await leases.hold(name, holder, leaseMs);
      if (hasIt && !this.held) logger.info({ lease: name }, 'feeds: this node has the lease');
      this.#heldUntil = hasIt ? askedAt + leaseMs : Number.NEGATIVE_INFINITY;
      outage.worked();
    } catch (error) {
      outage.failed(reasonOf(error));
    }
    if (this.#stopped) return;
    // A waiting node asks twice as often, so that the lease of a dead node plus one wait stays below 5 s.
    this.#cancel = timing.schedule(
      () => {
        this.#asking = this.#ask();
      },
      hasIt ? renewMs : renewMs / 2,
    );
    if (hasIt) onHeld();
  }
}
