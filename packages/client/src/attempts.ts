/** Which transport the next attempt uses, and how long it waits. */
import type { Transport } from './types.js';

/** A transport that has worked is tried so often before another is: its node may be gone, not the way to it. */
const PATIENCE = 4;
const FIRST_PAUSE_MS = 250;

export class Attempts {
  readonly #order: readonly Transport[];
  readonly #maxPauseMs: number;
  readonly #worked = new Set<Transport>();
  #at = 0;
  /** Of the present transport, one after the other. */
  #failures = 0;
  /** Of all of them, since one has worked. */
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

  /** A connection was lost. @returns the pause, ms: none where the node has said that it goes. */
  afterLoss(announced: boolean): number {
    return announced ? 0 : this.#pauseMs(0);
  }

  /**
   * No connection was made. A transport that has never worked is left at once for the next; a round of them all, or one
   * that has worked, is tried again after a growing pause.
   *
   * @param blamesTransport another transport may do better
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

  /** Partly random: the clients of a node that died do not come all at once. */
  #pauseMs(attempt: number): number {
    const most = Math.min(this.#maxPauseMs, FIRST_PAUSE_MS * 2 ** attempt);
    return most * (0.3 + 0.7 * Math.random());
  }
}
