/**
 * At most so many at a time, first come first served. Whoever has more to do than one piece of work takes a turn for
 * each piece, so that a long piece of work does not hold up many short ones.
 */
export class Turns {
  readonly #limit: number;
  readonly #queue: (() => void)[] = [];
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many have a turn. */
  get taken(): number {
    return this.#taken;
  }

  /** How many wait for one: at most one per connection. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Resolves with a turn; {@link give} it back. Undefined where one is free: nothing needs to be awaited. */
  take(): Promise<void> | undefined {
    if (this.#taken < this.#limit) {
      this.#taken += 1;
      return undefined;
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  /** Ends a turn: whoever has waited longest gets it. */
  give(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#taken -= 1;
    else next();
  }
}
