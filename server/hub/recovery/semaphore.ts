/**
 * At most this many at a time, first come first served. A caller with several pieces of work acquires it for
 * each piece, so that a long piece of work does not hold up many short ones.
 */
export class Semaphore {
  readonly #limit: number;
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many hold it. */
  get running(): number {
    return this.#running;
  }

  /** How many wait for it. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Resolves when it is held; {@link release} it. Undefined if it is free: no need to wait. */
  acquire(): Promise<void> | undefined {
    if (this.#running < this.#limit) {
      this.#running += 1;
      return undefined;
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  /** Hands it to the caller that has waited longest. */
  release(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
