import { formatPosition, joinPositions } from '@axiom-streaming/protocol/cursor';
import type { StreamMessage } from '../tail/stream-message.js';
import type { TailPosition } from '../tail/tail-ports.js';
import type { Encoding, Frame } from './encoding.js';
import { FrameChain } from './frame-chain.js';

/**
 * The cursor of connections that read the same streams and hold nothing back: it depends on nothing else, and so is
 * made once for them all.
 */
class SharedCursor {
  readonly #tails: readonly TailPosition[];
  #message: StreamMessage | undefined;
  #cursor = '';

  constructor(tails: readonly TailPosition[]) {
    this.#tails = tails;
  }

  now(): string {
    return joinPositions(this.#tails.map(({ stream, epoch, last }) => formatPosition(stream, epoch, last)));
  }

  /** The cursor that goes with the message that is being delivered now. */
  at(message: StreamMessage): string {
    if (this.#message !== message) {
      this.#message = message;
      this.#cursor = this.now();
    }
    return this.#cursor;
  }
}

/** Connections that read the same streams in the same encoding: they get the same frames, each with its cursor. */
export class Lane {
  readonly #shared: SharedCursor;
  readonly #encoding: Encoding;
  #message: StreamMessage | undefined;
  #frame: Frame | undefined;
  #start = FrameChain.start();
  #round = 0;

  constructor(shared: SharedCursor, encoding: Encoding) {
    this.#shared = shared;
    this.#encoding = encoding;
  }

  /** The cursor of a connection that has everything that its tails have delivered. */
  cursor(): string {
    return this.#shared.now();
  }

  /** The frame of the message that is being delivered now; made at most once. */
  frame(message: StreamMessage): Frame {
    if (this.#message !== message) {
      this.#message = message;
      this.#frame = this.#encoding.encode(message, this.#shared.at(message));
    }
    return this.#frame!;
  }

  /** Where the chains of a flush begin. */
  start(round: number): FrameChain {
    if (this.#round !== round) {
      this.#round = round;
      this.#start = FrameChain.start();
    }
    return this.#start;
  }
}

/** Hands out one {@link Lane} per combination of streams and encoding. Clients read few combinations. */
export class Lanes {
  readonly #bySet = new Map<string, { shared: SharedCursor; lanes: Map<Encoding, Lane> }>();

  of(tails: Iterable<TailPosition>, encoding: Encoding): Lane {
    const sorted = [...tails].sort((a, b) => (a.stream < b.stream ? -1 : 1));
    const key = sorted.map(({ stream }) => stream).join();
    let set = this.#bySet.get(key);
    if (set === undefined) {
      set = { shared: new SharedCursor(sorted), lanes: new Map() };
      this.#bySet.set(key, set);
    }
    let lane = set.lanes.get(encoding);
    if (lane === undefined) {
      lane = new Lane(set.shared, encoding);
      set.lanes.set(encoding, lane);
    }
    return lane;
  }
}
