import { formatPosition, joinPositions } from '@axiom-streaming/protocol/cursor';
import type { StreamMessage } from '../tail/stream-message.js';
import type { StreamTail } from '../tail/stream-tail.js';
import type { Encoding, Frame } from './encoding.js';
import { Link } from './frame-chain.js';

/**
 * The streams that a connection reads. Connections with the same streams share one set, and with it each frame:
 * a frame carries the cursor, and the cursor of a connection that holds nothing back depends on nothing else.
 */
export class StreamSet {
  readonly #tails: readonly StreamTail[];
  readonly #lanes = new Map<Encoding, Lane>();
  #message: StreamMessage | undefined;
  #cursor = '';

  constructor(tails: readonly StreamTail[]) {
    this.#tails = tails;
  }

  /** The cursor of a connection that has everything that the tails have delivered. */
  cursor(): string {
    return joinPositions(this.#tails.map(({ stream, epoch, last }) => formatPosition(stream, epoch, last)));
  }

  /** The cursor that goes with the message that is being delivered now. */
  cursorAt(message: StreamMessage): string {
    if (this.#message !== message) {
      this.#message = message;
      this.#cursor = this.cursor();
    }
    return this.#cursor;
  }

  lane(encoding: Encoding): Lane {
    let lane = this.#lanes.get(encoding);
    if (lane === undefined) {
      lane = new Lane(this, encoding);
      this.#lanes.set(encoding, lane);
    }
    return lane;
  }
}

/** Connections of one set of streams and one encoding: they get the same frames. */
export class Lane {
  readonly #set: StreamSet;
  readonly #encoding: Encoding;
  #message: StreamMessage | undefined;
  #frame: Frame | undefined;
  #start = Link.start();
  #round = 0;

  constructor(set: StreamSet, encoding: Encoding) {
    this.#set = set;
    this.#encoding = encoding;
  }

  /** The cursor of its settled connections. */
  cursor(): string {
    return this.#set.cursor();
  }

  /** The frame of the message that is being delivered now; made at most once. */
  frame(message: StreamMessage): Frame {
    if (this.#message !== message) {
      this.#message = message;
      this.#frame = this.#encoding.encode(message, this.#set.cursorAt(message));
    }
    return this.#frame!;
  }

  /** Where the chains of a flush begin. */
  start(round: number): Link {
    if (this.#round !== round) {
      this.#round = round;
      this.#start = Link.start();
    }
    return this.#start;
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
