/** Counts events per second over the last few seconds, in a ring of one-second buckets. */
const SECONDS = 5;

export class Rate {
  readonly #counts = new Float64Array(SECONDS + 1);
  #second = 0;

  add(now: number, count = 1): void {
    this.#turn(now);
    this.#counts[this.#second % (SECONDS + 1)]! += count;
  }

  /** The mean of the last full seconds, without the current one. */
  perSecond(now: number): number {
    this.#turn(now);
    const current = this.#second % (SECONDS + 1);
    let sum = 0;
    this.#counts.forEach((count, i) => {
      if (i !== current) sum += count;
    });
    return sum / SECONDS;
  }

  #turn(now: number): void {
    const second = Math.floor(now / 1000);
    const from = Math.max(this.#second + 1, second - SECONDS);
    for (let i = from; i <= second; i++) this.#counts[i % (SECONDS + 1)] = 0;
    this.#second = Math.max(this.#second, second);
  }
}
