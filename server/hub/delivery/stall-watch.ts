import type { Clock } from '../../time/clock.js';

/** A connection that takes nothing of what waits for it for this long, ms, has stalled: it is ended as slow. */
const STALLED_AFTER_MS = 30_000;

/** Tells whether a connection still takes something of what waits for it. One for each time that it is waited for. */
export class StallWatch {
  readonly #clock: Clock;
  #before = Number.POSITIVE_INFINITY;
  #since: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /**
   * To be called now and then, however seldom.
   *
   * @param waitingBytes what waits for the connection now
   * @returns whether it has taken nothing for 30 s
   */
  stalled(waitingBytes: number): boolean {
    const now = this.#clock.now();
    if (waitingBytes < this.#before) this.#since = now;
    this.#before = waitingBytes;
    return now - this.#since >= STALLED_AFTER_MS;
  }

  /** The connection was written to: its 30 s begin again with the next look. */
  restart(): void {
    this.#before = Number.POSITIVE_INFINITY;
  }
}
