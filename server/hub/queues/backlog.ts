import { MessageDeque } from '../tail/message-deque.js';
import type { StreamMessage } from '../tail/stream-message.js';

/** Seqs of the first and the last message that were dropped. */
export interface Dropped {
  readonly from: number;
  readonly to: number;
}

/**
 * The newest messages of a `log` stream that wait until a slow connection takes them: bounded in bytes, the oldest
 * dropped first. They are the node's own messages, not copies.
 */
export class Backlog {
  readonly #messages: MessageDeque;
  readonly #onDropped: () => void;
  #position = 0;
  #dropped: Dropped | undefined;

  constructor(maxBytes: number, onDropped: () => void) {
    this.#messages = new MessageDeque(maxBytes);
    this.#onDropped = onDropped;
  }

  get empty(): boolean {
    return this.#messages.size === 0;
  }

  /** Everything up to this seq was written or reported as lost. Means something only while not empty. */
  get position(): number {
    return this.#position;
  }

  push(message: StreamMessage): void {
    if (this.empty) this.#position = message.seq - 1;
    this.#messages.push(message);
    while (this.#messages.overflows) {
      const { seq } = this.#messages.shift()!;
      this.#dropped = { from: this.#dropped?.from ?? seq, to: seq };
      this.#onDropped();
    }
  }

  /** What was dropped since the last call, to be reported before the next message. */
  takeDropped(): Dropped | undefined {
    const dropped = this.#dropped;
    this.#dropped = undefined;
    return dropped;
  }

  /** The oldest message, which is about to be written. */
  next(): StreamMessage | undefined {
    const message = this.#messages.shift();
    if (message !== undefined) this.#position = message.seq;
    return message;
  }

  clear(): void {
    this.#messages.clear();
    this.#dropped = undefined;
  }
}
