import { MessageDeque } from './message-deque.js';
import type { StreamMessage } from './stream-message.js';

/**
 * The newest messages of one stream in memory: contiguous seqs, bounded in bytes, oldest dropped first.
 * Recovery and rewind are served from it; the log is read only for what is older.
 */
export class RecentWindow {
  readonly #messages: MessageDeque;

  constructor(maxBytes: number) {
    this.#messages = new MessageDeque(maxBytes);
  }

  /** Seq of the oldest message; undefined while empty. */
  get first(): number | undefined {
    return this.#messages.oldest?.seq;
  }

  get bytes(): number {
    return this.#messages.bytes;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** Adds the next message. One that does not follow the newest empties the window first. */
  push(message: StreamMessage): void {
    const { newest } = this.#messages;
    if (newest !== undefined && newest.seq + 1 !== message.seq) this.clear();
    this.#messages.push(message);
    while (this.#messages.overflows) this.#messages.shift();
  }

  /** The message under a seq, if the window holds it. */
  get(seq: number): StreamMessage | undefined {
    const { first } = this;
    if (first === undefined || seq < first) return undefined;
    return this.#messages.at(seq - first);
  }

  /** Up to `limit` messages from `from` on, ascending. The window must hold `from`. */
  slice(from: number, limit: number): StreamMessage[] {
    const { first } = this;
    return first === undefined ? [] : this.#messages.slice(from - first, limit);
  }

  clear(): void {
    this.#messages.clear();
  }
}
