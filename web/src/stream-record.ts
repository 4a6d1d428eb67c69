import type { Position } from '../../server/protocol/cursor.js';
import type { StreamClass } from '../../server/protocol/message.js';
import { Rate } from './rate.js';

/** Why a stream may skip or repeat without a fault: until the next `position`. */
export type Leniency = 'rewind' | 'announced';

/** What this page knows of one stream: it reads all keys, so that seqs are contiguous unless something is missing. */
export class StreamRecord {
  readonly name: string;
  readonly class: StreamClass;
  readonly rate = new Rate();
  received = 0;
  last: number | undefined;
  /** Skipped without a word from the hub, and delivered twice: both must stay 0. */
  missing = 0;
  repeated = 0;
  leniency: Leniency | undefined;
  #epoch: string | undefined;

  constructor(name: string, streamClass: StreamClass) {
    this.name = name;
    this.class = streamClass;
  }

  /** The hub said where the stream is. Another epoch starts another count. */
  at({ epoch }: Pick<Position, 'epoch'>): void {
    if (this.#epoch !== undefined && this.#epoch !== epoch) this.last = undefined;
    this.#epoch = epoch;
  }

  /** The hub said that everything up to here is missing. */
  skipTo(seq: number): void {
    if (this.last !== undefined) this.last = Math.max(this.last, seq);
  }

  /** @returns false for a message that was here before; `skipped` is how many seqs were left out before it. */
  take(seq: number): { readonly isNew: boolean; readonly skipped: number } {
    if (this.last !== undefined && seq <= this.last) {
      if (this.leniency === undefined) this.repeated += 1;
      return { isNew: false, skipped: 0 };
    }
    const skipped = this.last === undefined ? 0 : seq - this.last - 1;
    if (this.leniency === undefined) this.missing += skipped;
    this.last = seq;
    this.received += 1;
    return { isNew: true, skipped };
  }
}
