/** What this page counts for one stream: how many messages arrived, and whether seqs are missing. */
import type { StreamClass } from '@axiom-streaming/protocol/message';
import { Rate } from './rate.js';

/** After a subscription or a gap the first seqs may skip: a snapshot has only the newest message of each key. */
const LENIENT_MS = 2_000;

export class StreamRecord {
  readonly name: string;
  readonly class: StreamClass;
  readonly rate = new Rate();
  received = 0;
  conflated = 0;
  /** Messages that are missing, according to the hub or to the seqs. */
  missing = 0;
  lastSeq: number | undefined;
  /** When the last message arrived, ms. */
  lastAt = 0;
  #lenientUntil = Number.POSITIVE_INFINITY;

  constructor(name: string, streamClass: StreamClass) {
    this.name = name;
    this.class = streamClass;
  }

  /** After a subscription or a gap: the next seq need not follow the last one. */
  begin(now: number): void {
    this.#lenientUntil = now + LENIENT_MS;
    this.lastSeq = undefined;
  }

  /** Messages have been live for a while. */
  isSettled(now: number): boolean {
    return now >= this.#lenientUntil;
  }

  /** @returns how many seqs are missing without having been announced. */
  take(seq: number, conflated: number | undefined, now: number): number {
    this.received += 1;
    this.rate.add(now);
    this.lastAt = now;
    const last = this.lastSeq;
    if (last !== undefined && seq <= last) return 0;
    this.lastSeq = seq;
    if (conflated !== undefined) {
      // It stands for the messages that it was conflated from, so a skipped seq is expected.
      this.conflated += conflated;
      return 0;
    }
    if (last === undefined || now < this.#lenientUntil) return 0;
    const skipped = seq - last - 1;
    this.missing += skipped;
    return skipped;
  }
}
