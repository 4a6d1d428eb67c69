/** What this page itself counts of one stream: how much came, and whether the numbering has holes. */
import type { StreamClass } from '@axiom-streaming/protocol/message';
import { Rate } from './rate.js';

/** After a subscription or a gap the first seqs may leap: a snapshot has the newest of each key alone. */
const LENIENT_MS = 2_000;

export class StreamRecord {
  readonly name: string;
  readonly class: StreamClass;
  readonly rate = new Rate();
  received = 0;
  conflated = 0;
  /** Messages that are missing, as the hub said or the numbering shows. */
  missing = 0;
  lastSeq: number | undefined;
  /** When the last message came, ms. */
  lastAt = 0;
  #lenientUntil = Number.POSITIVE_INFINITY;

  constructor(name: string, streamClass: StreamClass) {
    this.name = name;
    this.class = streamClass;
  }

  /** What comes next need not follow on what came last. */
  begin(now: number): void {
    this.#lenientUntil = now + LENIENT_MS;
    this.lastSeq = undefined;
  }

  /** Live for a while. */
  isSettled(now: number): boolean {
    return now >= this.#lenientUntil;
  }

  /** @returns how many seqs were left out without a word. */
  take(seq: number, conflated: number | undefined, now: number): number {
    this.received += 1;
    this.rate.add(now);
    this.lastAt = now;
    const last = this.lastSeq;
    if (last !== undefined && seq <= last) return 0;
    this.lastSeq = seq;
    if (conflated !== undefined) {
      // It stands for others, so that a leap is what was asked for.
      this.conflated += conflated;
      return 0;
    }
    if (last === undefined || now < this.#lenientUntil) return 0;
    const skipped = seq - last - 1;
    this.missing += skipped;
    return skipped;
  }
}
