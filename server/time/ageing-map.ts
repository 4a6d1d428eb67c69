/** What an {@link AgeingMap} keeps. */
export interface Aged {
  readonly seq: number;
  /** ms since the Unix epoch. */
  readonly time: number;
}

/** Values by key that end by their age. They are looked through a slice at a time, so that no turn is long. */
export class AgeingMap<V extends Aged> extends Map<string, V> {
  /** The highest seq of a value that has ended. */
  endedTo = 0;
  #walk: IterableIterator<[string, V]> | undefined;

  /**
   * Looks at the next `limit` values, and removes those from before `oldest` (ms).
   *
   * @param onEnd is called with each, once it is removed
   */
  end(oldest: number, limit: number, onEnd?: (key: string, value: V) => void): void {
    this.#walk ??= this.entries();
    for (let looked = 0; looked < limit; looked++) {
      const next = this.#walk.next();
      if (next.done === true) {
        this.#walk = undefined;
        return;
      }
      const [key, value] = next.value;
      if (value.time >= oldest) continue;
      this.delete(key);
      this.endedTo = Math.max(this.endedTo, value.seq);
      onEnd?.(key, value);
    }
  }
}
