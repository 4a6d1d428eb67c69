const SLOT_MS = 500;
const SLOTS = 10;

/** Events a second over the last 5 seconds that are complete, in a ring of ten half seconds. */
export class Rate {
  readonly #counts = new Array<number>(SLOTS + 1).fill(0);
  #slot = 0;

  add(nowMs: number): void {
    this.#advance(nowMs);
    const i = this.#slot % this.#counts.length;
    this.#counts[i] = (this.#counts[i] ?? 0) + 1;
  }

  perSecond(nowMs: number): number {
    this.#advance(nowMs);
    const current = this.#counts[this.#slot % this.#counts.length] ?? 0;
    const sum = this.#counts.reduce((total, count) => total + count, 0) - current;
    return (sum * 1000) / (SLOTS * SLOT_MS);
  }

  #advance(nowMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    const passed = Math.min(slot - this.#slot, this.#counts.length);
    for (let i = 1; i <= passed; i += 1) this.#counts[(slot - passed + i) % this.#counts.length] = 0;
    this.#slot = Math.max(slot, this.#slot);
  }
}
