/** Counts by name: things, or their bytes. A name whose count is 0 takes no memory. */
export class Tally {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** @param amount default 1; a negative one takes away */
  add(name: string, amount = 1): void {
    const count = this.of(name) + amount;
    if (count > 0) this.#counts.set(name, count);
    else this.#counts.delete(name);
  }

  /** @param amount default 1 */
  remove(name: string, amount = 1): void {
    this.add(name, -amount);
  }

  clear(): void {
    this.#counts.clear();
  }
}
