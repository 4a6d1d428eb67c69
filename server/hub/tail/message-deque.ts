import type { StreamMessage } from './stream-message.js';

/** The array is compacted no sooner than after this many taken heads. */
const COMPACT_AFTER = 1024;

/**
 * Messages in order of arrival, bounded in bytes. It never drops messages: after a push the owner takes the oldest
 * while {@link overflows} is true, because only the owner knows what a dropped message means.
 */
export class MessageDeque {
  readonly #maxBytes: number;
  /** What lies before the head was taken and is undefined. */
  #messages: (StreamMessage | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#messages.length - this.#head;
  }

  /** What its messages weigh together, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True while it weighs more than it may. One message is always kept, whatever its weight. */
  get overflows(): boolean {
    return this.#bytes > this.#maxBytes && this.size > 1;
  }

  get oldest(): StreamMessage | undefined {
    return this.#messages[this.#head];
  }

  get newest(): StreamMessage | undefined {
    return this.#messages.at(-1);
  }

  /** The message at an index; 0 is the oldest. */
  at(index: number): StreamMessage | undefined {
    return this.#messages[this.#head + index];
  }

  /** Up to `count` messages from an index on. */
  slice(index: number, count: number): StreamMessage[] {
    const from = this.#head + index;
    return this.#messages.slice(from, from + count) as StreamMessage[];
  }

  push(message: StreamMessage): void {
    this.#messages.push(message);
    this.#bytes += message.weight;
  }

  /** Takes the oldest message. */
  shift(): StreamMessage | undefined {
    const message = this.oldest;
    if (message === undefined) return undefined;
    this.#messages[this.#head] = undefined;
    this.#bytes -= message.weight;
    this.#head += 1;
    // Each message is moved at most once for each that was taken, no matter how many are kept.
    if (this.size === 0 || (this.#head >= COMPACT_AFTER && this.#head >= this.size)) {
      this.#messages = this.#messages.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }

  clear(): void {
    this.#messages = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
