/**
 * How long messages take to reach this page, compared with the fastest of them. The clocks of the log and of this
 * machine differ. The smallest difference seen so far is the offset of the clocks plus the shortest travel time;
 * whatever exceeds it is delay.
 */
const KEPT = 512;

export class Latency {
  readonly #values = new Float64Array(KEPT);
  #next = 0;
  #size = 0;
  #least = Number.POSITIVE_INFINITY;
  #lastAt = 0;

  /** @param difference arrival minus the time of the log, ms */
  add(difference: number, now: number): void {
    this.#least = Math.min(this.#least, difference);
    this.#values[this.#next] = difference;
    this.#next = (this.#next + 1) % KEPT;
    this.#size = Math.min(this.#size + 1, KEPT);
    this.#lastAt = now;
  }

  /** A percentile of the last messages, ms; undefined if there are none. */
  percentile(fraction: number): number | undefined {
    if (this.#size === 0 || this.#lastAt === 0) return undefined;
    const sorted = this.#values.slice(0, this.#size).sort();
    return sorted[Math.min(this.#size - 1, Math.floor(fraction * this.#size))]! - this.#least;
  }
}
