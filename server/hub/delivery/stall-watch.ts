import type { Clock } from '../../time/clock.js';

/** A connection that reads none of its waiting bytes for this long, ms, has stalled: it is ended as slow. */
const STALLED_AFTER_MS = 30_000;

/** Detects whether a connection still reads its waiting bytes. Make one for each wait. */
export class StallWatch {
  readonly #clock: Clock;
  #before = Number.POSITIVE_INFINITY;
  #since: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /**
   * Call it from time to time; the interval does not matter.
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
