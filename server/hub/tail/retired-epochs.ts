/** More epochs than a log begins while any backup of it is kept. */
const MAX_EPOCHS = 1_000;

/**
 * Epochs that a tail has left. A log found in one of them was restored to data from before the new epoch began, and
 * hands out seqs that clients already know.
 */
export class RetiredEpochs {
  readonly #epochs = new Set<string>();

  add(epoch: string): void {
    this.#epochs.add(epoch);
    if (this.#epochs.size <= MAX_EPOCHS) return;
    const [oldest] = this.#epochs;
    this.#epochs.delete(oldest!);
  }

  has(epoch: string): boolean {
    return this.#epochs.has(epoch);
  }
}
