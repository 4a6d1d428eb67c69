import type { Leases } from '../cluster/leases.js';
import type { Logger } from '../logger.js';
import { type Outage, reasonOf } from './outage.js';
import type { Timing } from './timing.js';

export interface LeaseKeeperOptions {
  readonly leases: Leases;
  readonly name: string;
  readonly holder: string;
  readonly leaseMs: number;
  /** The holder prolongs its lease so often. */
  readonly renewMs: number;
  readonly timing: Timing;
  readonly logger: Logger;
  /** Of the place where the leases are kept. */
  readonly outage: Outage;
  /** Called whenever the lease was taken or prolonged. */
  readonly onHeld: () => void;
}

/**
 * Takes a lease as soon as it is free, and prolongs it.
 *
 * It believes in its lease no longer than the keeper of the leases does: a holder that cannot prolong it (Redis is
 * away, or the process stood still) stops by its own clock when another may have it.
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

  /** Asks no more and gives the lease back; where that fails, the lease ends by itself. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    // An answer that is still on its way could take the lease after it was given back.
    await this.#asking;
    this.#heldUntil = Number.NEGATIVE_INFINITY;
    const { leases, name, holder, logger } = this.#options;
    try {
      await leases.release(name, holder);
    } catch (error) {
      logger.debug({ lease: name, error: reasonOf(error) }, 'feeds: a lease was not given back');
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
    // Who waits asks twice as often: the lease of a dead node and one wait together stay below 5 s.
    this.#cancel = timing.schedule(
      () => {
        this.#asking = this.#ask();
      },
      hasIt ? renewMs : renewMs / 2,
    );
    if (hasIt) onHeld();
  }
}
