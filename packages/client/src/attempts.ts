/** Chooses the transport of the next attempt, and the pause before it. */
import type { Transport } from './types.js';

/** Attempts with a transport that has worked before another is tried: its node may be gone, not the way to it. */
const PATIENCE = 4;
const FIRST_PAUSE_MS = 250;

export class Attempts {
  readonly #order: readonly Transport[];
  readonly #maxPauseMs: number;
  readonly #worked = new Set<Transport>();
  #at = 0;
  /** Failures of the current transport in a row. */
  #failures = 0;
  /** Failures of all transports since one has worked. */
  #inAll = 0;

  constructor(order: readonly Transport[], maxPauseMs: number) {
    this.#order = order;
    this.#maxPauseMs = maxPauseMs;
  }

  get transport(): Transport {
    return this.#order[this.#at] ?? 'socketio';
  }

  succeeded(): void {
    this.#worked.add(this.transport);
    this.#failures = 0;
    this.#inAll = 0;
  }

  /** A connection was lost. @returns the pause, ms; none if the node announced its restart. */
  afterLoss(announced: boolean): number {
    return announced ? 0 : this.#pauseMs(0);
  }

  /**
   * No connection was made. If a transport has never worked, the next one is tried at once; after a round of all
   * transports, or if the transport has worked before, the next attempt comes after a growing pause.
   *
   * @param blamesTransport whether another transport may do better
   */
  afterFailure(blamesTransport: boolean): number {
    this.#inAll += 1;
    if (!blamesTransport) return this.#pauseMs(this.#inAll);
    const worked = this.#worked.has(this.transport);
    this.#failures += 1;
    if (this.#failures < (worked ? PATIENCE : 1)) return this.#pauseMs(this.#failures);
    this.#failures = 0;
    this.#at = (this.#at + 1) % this.#order.length;
    return this.#at > 0 ? 0 : this.#pauseMs(this.#inAll);
  }

  /** Partly random, so that the clients of a dead node do not reconnect all at once. */
  #pauseMs(attempt: number): number {
    const most = Math.min(this.#maxPauseMs, FIRST_PAUSE_MS * 2 ** attempt);
    return most * (0.3 + 0.7 * Math.random());
  }
}
