import { formatPosition, joinPositions } from '../protocol/cursor.js';
import type { Encoding, Frame } from './encoding.js';
import type { StreamMessage } from './stream-message.js';
import type { StreamTail } from './stream-tail.js';

/**
 * The streams that a connection reads. Connections with the same streams share one set, and with it each frame:
 * a frame carries the cursor, and the cursor of a connection that holds nothing back depends on nothing else.
 */
export class StreamSet {
  readonly #tails: readonly StreamTail[];
  #message: StreamMessage | undefined;
  #cursor = '';
  readonly #frames = new Map<Encoding, Frame>();

  constructor(tails: readonly StreamTail[]) {
    this.#tails = tails;
  }

  /** The cursor of a connection that has everything that the tails have delivered. */
  cursor(): string {
    return joinPositions(this.#tails.map(({ stream, epoch, last }) => formatPosition(stream, epoch, last)));
  }

  /** The frame of the message that is being delivered now; made at most once per encoding. */
  frame(message: StreamMessage, encoding: Encoding): Frame {
    if (this.#message !== message) {
      this.#message = message;
      this.#cursor = this.cursor();
      this.#frames.clear();
    }
    let frame = this.#frames.get(encoding);
    if (frame === undefined) {
      frame = encoding.encode(message.text, this.#cursor);
      this.#frames.set(encoding, frame);
    }
    return frame;
  }
}

/** Hands out one {@link StreamSet} per combination of streams. There are few: clients read few combinations. */
export class StreamSets {
  readonly #sets = new Map<string, StreamSet>();

  of(tails: Iterable<StreamTail>): StreamSet {
    const sorted = [...tails].sort((a, b) => (a.stream < b.stream ? -1 : 1));
    const key = sorted.map(({ stream }) => stream).join();
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = new StreamSet(sorted);
      this.#sets.set(key, set);
    }
    return set;
  }
}
