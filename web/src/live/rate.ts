/** Events per second over the last few seconds, in a ring of seconds. */
const SECONDS = 5;

export class Rate {
  readonly #counts = new Float64Array(SECONDS + 1);
  #second = 0;

  add(now: number, count = 1): void {
    this.#turn(now);
    this.#counts[this.#second % (SECONDS + 1)]! += count;
  }

  /** Over the last whole seconds; the one that runs is left out. */
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
