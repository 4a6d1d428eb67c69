import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Meter } from '../access.js';
import type { LastValues } from '../tail/last-values.js';

/** The rest of the node has a turn after this many keys. */
const SLICE_KEYS = 4_096;

export interface KeyListRequest {
  /** Keys behind this one. Default: from the first. */
  readonly after?: string | undefined;
  /** Most keys. */
  readonly count: number;
  /** Asked only of keys that would be listed. */
  readonly accepts: (key: string) => boolean;
}

/**
 * The first keys of a stream behind another one, in the order of their characters. All keys are looked at, and paid
 * for, but none are copied: a stream may have a hundred thousand.
 *
 * @throws HubError `rate_limited` where too much is owed to go on
 */
export async function listKeys(
  values: LastValues,
  { after = '', count, accepts }: KeyListRequest,
  meter: Meter,
): Promise<{ readonly keys: readonly string[]; readonly more: boolean }> {
  const first = new Smallest<string>(count + 1, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
  await eachInSlices(values.keys(), values.size, meter, (key) => {
    if (key > after && first.wants(key) && accepts(key)) first.add(key);
  });
  return { keys: first.items.slice(0, count), more: first.items.length > count };
}

/**
 * Looks at the keys or values of a stream, with a turn for the others in between. What comes meanwhile may be left out.
 *
 * @throws HubError `rate_limited` where too much is owed to go on
 */
export async function eachInSlices<T>(
  items: Iterable<T>,
  most: number,
  meter: Meter,
  look: (item: T) => void,
): Promise<void> {
  let looked = 0;
  for (const item of items) {
    look(item);
    looked += 1;
    // A key that is deleted and comes again is at the end again.
    if (looked >= most) break;
    if (looked % SLICE_KEYS === 0) {
      meter.charge('keys_listed', SLICE_KEYS);
      meter.check();
      await nextTurn();
    }
  }
  meter.charge('keys_listed', looked % SLICE_KEYS);
}

/** The smallest of many items, in order, each once. */
export class Smallest<T> {
  readonly items: T[] = [];
  readonly #count: number;
  readonly #compare: (a: T, b: T) => number;

  /** @param count at least 1 */
  constructor(count: number, compare: (a: T, b: T) => number) {
    this.#count = count;
    this.#compare = compare;
  }

  wants(item: T): boolean {
    return this.items.length < this.#count || this.#compare(item, this.items.at(-1)!) < 0;
  }

  add(item: T): void {
    let [low, high] = [0, this.items.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.items[middle]!, item) < 0) low = middle + 1;
      else high = middle;
    }
    const there = this.items[low];
    if (there !== undefined && this.#compare(there, item) === 0) return;
    this.items.splice(low, 0, item);
    if (this.items.length > this.#count) this.items.pop();
  }
}
