import { count, messages } from './format.js';
import { reasonText } from './words.js';

/** A gap that the hub announced, or that this page found. */
export interface Gap {
  readonly stream: string;
  readonly reason: string;
  readonly from?: number;
  readonly to?: number;
}

interface Gaps {
  number: number;
  /** Messages that are known to be missing; some gaps do not say how many. */
  messages: number;
  from: number | undefined;
  to: number | undefined;
}

/** Puts gaps into words: those of one stream and reason in one sentence, however many they are. */
export class GapReport {
  readonly #gaps = new Map<string, Gaps>();

  add({ stream, reason, from, to }: Gap): { readonly key: string; readonly text: string } {
    const key = `gap:${stream}:${reason}`;
    const gaps = this.#gaps.get(key) ?? { number: 0, messages: 0, from, to };
    this.#gaps.set(key, gaps);
    gaps.number += 1;
    if (from !== undefined && to !== undefined) {
      gaps.messages += to - from + 1;
      gaps.from = Math.min(gaps.from ?? from, from);
      gaps.to = Math.max(gaps.to ?? to, to);
    }
    return { key, text: `${what(stream, gaps)}: ${reasonText(reason)}.` };
  }

  /** Has been read: the next gap of this key is counted anew. */
  forget(key: string): void {
    this.#gaps.delete(key);
  }
}

function what(stream: string, { number, messages: known, from, to }: Gaps): string {
  if (from === undefined || to === undefined) {
    return number === 1
      ? `${stream}: some messages are missing`
      : `${stream}: messages are missing in ${number} gaps`;
  }
  if (number > 1) {
    return `${stream}: ${messages(known)} are missing in ${number} gaps, between seq ${count(from)} and ${count(to)}`;
  }
  return from === to
    ? `${stream}: 1 message is missing, seq ${count(from)}`
    : `${stream}: ${messages(known)} are missing, seq ${count(from)} to ${count(to)}`;
}
