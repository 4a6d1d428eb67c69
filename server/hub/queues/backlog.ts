import type { StreamMessage } from '../tail/stream-message.js';

/** Seqs of the first and the last message that were dropped. */
export interface Dropped {
  readonly from: number;
  readonly to: number;
}

/** After so many taken heads the array is compacted. */
const COMPACT_AFTER = 1024;

/**
 * The newest messages of a `log` stream that wait for a slow connection to drain: bounded in bytes, the oldest dropped
 * first. They are the node's own messages, not copies.
 */
export class Backlog {
  readonly #maxBytes: number;
  readonly #onDropped: () => void;
  /** What lies before the head was taken and is undefined. */
  #messages: (StreamMessage | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #position = 0;
  #dropped: Dropped | undefined;

  constructor(maxBytes: number, onDropped: () => void) {
    this.#maxBytes = maxBytes;
    this.#onDropped = onDropped;
  }

  get empty(): boolean {
    return this.#head === this.#messages.length;
  }

  /** Everything up to this seq was written, or was told to be lost. Means something only while not empty. */
  get position(): number {
    return this.#position;
  }

  push(message: StreamMessage): void {
    if (this.empty) this.#position = message.seq - 1;
    this.#messages.push(message);
    this.#bytes += message.weight;
    while (this.#bytes > this.#maxBytes && this.#messages.length - this.#head > 1) {
      const { seq } = this.#shift();
      this.#dropped = { from: this.#dropped?.from ?? seq, to: seq };
      this.#onDropped();
    }
  }

  /** What was dropped since the last call, to be told before the next message. */
  takeDropped(): Dropped | undefined {
    const dropped = this.#dropped;
    this.#dropped = undefined;
    return dropped;
  }

  /** The oldest message, which is about to be written. */
  next(): StreamMessage | undefined {
    if (this.empty) return undefined;
    const message = this.#shift();
    this.#position = message.seq;
    return message;
  }

  clear(): void {
    this.#messages = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#dropped = undefined;
  }

  #shift(): StreamMessage {
    const message = this.#messages[this.#head]!;
    this.#messages[this.#head] = undefined;
    this.#bytes -= message.weight;
    this.#head += 1;
    if (this.#head === this.#messages.length || this.#head >= COMPACT_AFTER) {
      this.#messages = this.#messages.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }
}
