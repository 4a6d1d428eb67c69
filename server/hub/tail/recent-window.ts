import type { StreamMessage } from './stream-message.js';

/** After so many dropped heads the array is compacted. */
const COMPACT_AFTER = 4096;

/**
 * The newest messages of one stream in memory: contiguous seqs, bounded in bytes, oldest dropped first.
 * Recovery and rewind are served from it; the log is read only for what is older.
 */
export class RecentWindow {
  readonly #maxBytes: number;
  /** What lies before the head was dropped and is undefined. */
  #messages: (StreamMessage | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Seq of the oldest message; undefined while empty. */
  get first(): number | undefined {
    return this.#messages[this.#head]?.seq;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#messages.length - this.#head;
  }

  /** Adds the next message. One that does not follow the newest begins the window anew. */
  push(message: StreamMessage): void {
    const newest = this.#messages.at(-1);
    if (newest !== undefined && newest.seq + 1 !== message.seq) this.clear();
    this.#messages.push(message);
    this.#bytes += message.weight;
    while (this.#bytes > this.#maxBytes && this.size > 1) this.#dropOldest();
  }

  /** The message under a seq, where the window holds it. */
  get(seq: number): StreamMessage | undefined {
    const { first } = this;
    if (first === undefined || seq < first) return undefined;
    return this.#messages[this.#head + seq - first];
  }

  /** Up to `limit` messages from `from` on, ascending. The window must hold `from`. */
  slice(from: number, limit: number): StreamMessage[] {
    const { first } = this;
    if (first === undefined) return [];
    const start = this.#head + from - first;
    return this.#messages.slice(start, start + limit) as StreamMessage[];
  }

  clear(): void {
    this.#messages = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #dropOldest(): void {
    this.#bytes -= this.#messages[this.#head]!.weight;
    this.#messages[this.#head] = undefined;
    this.#head += 1;
    if (this.#head < COMPACT_AFTER) return;
    this.#messages = this.#messages.slice(this.#head);
    this.#head = 0;
  }
}
