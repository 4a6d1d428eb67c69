import type { CloseCode } from '../protocol/close-codes.js';
import { formatPosition, joinPositions } from '../protocol/cursor.js';
import type { DegradedInfo, GapInfo } from '../protocol/message.js';
import { ALL_KEYS, topicName } from '../protocol/topic.js';
import type { Encoding, Frame } from './encoding.js';
import type { StreamMessage } from './stream-message.js';
import type { StreamSet } from './stream-set.js';
import type { StreamTail } from './stream-tail.js';

/** A transport's end of one connection. Its methods do not throw, and do nothing once the connection is closed. */
export interface Sink {
  readonly encoding: Encoding;
  /** Writes a message that {@link encoding} made. */
  write(frame: Frame): void;
  /** Tells the connection its cursor while it is quiet, or after what it subscribed to has changed. */
  position(cursor: string): void;
  gap(info: GapInfo): void;
  degraded(info: DegradedInfo): void;
  drain(reconnectInMs: number): void;
  /** Bytes that were written and have not left this process. */
  bufferedBytes(): number;
  /** Ends the connection at once, with what it still has to read. */
  close(code: CloseCode): void;
}

/** What one subscriber reads of one stream. */
export class StreamReader {
  readonly subscriber: Subscriber;
  readonly tail: StreamTail;
  /** The keys that were asked for; `*` among them stands for all. */
  readonly keys = new Set<string>();
  /** While held, live messages are not delivered: a backfill is under way. */
  held = false;
  /** While held: seq of the last message of the stream that was really written. */
  position = 0;
  /** While held: the epoch of {@link position}. */
  epoch = '';

  constructor(subscriber: Subscriber, tail: StreamTail) {
    this.subscriber = subscriber;
    this.tail = tail;
  }

  wants(key: string): boolean {
    return this.keys.has(ALL_KEYS) || this.keys.has(key);
  }

  topics(): string[] {
    return [...this.keys].map((key) => topicName(this.tail.stream, key));
  }
}

/** One connection in the hub, whatever its transport. */
export class Subscriber {
  readonly id: string;
  readonly sink: Sink;
  readonly readers = new Map<string, StreamReader>();
  /** Requests that change subscriptions run one after the other. */
  turn: Promise<unknown> = Promise.resolve();
  closed = false;
  /** The cursor that the connection was last told outside of messages. */
  toldCursor = '';
  #set: StreamSet;
  #held = 0;
  #written = 0;
  readonly #budgetBytes: number;
  readonly #onSlow: (subscriber: Subscriber) => void;

  constructor(options: {
    id: string;
    sink: Sink;
    set: StreamSet;
    budgetBytes: number;
    onSlow: (subscriber: Subscriber) => void;
  }) {
    this.id = options.id;
    this.sink = options.sink;
    this.#set = options.set;
    this.#budgetBytes = options.budgetBytes;
    this.#onSlow = options.onSlow;
  }

  /** True while nothing is held back: the cursor is that of the tails. */
  get settled(): boolean {
    return this.#held === 0;
  }

  /** Number of topics it reads. */
  get topicCount(): number {
    let count = 0;
    for (const { keys } of this.readers.values()) count += keys.size;
    return count;
  }

  topics(): string[] {
    return [...this.readers.values()].flatMap((reader) => reader.topics());
  }

  /** The streams that it reads have changed. */
  useSet(set: StreamSet): void {
    this.#set = set;
  }

  /** Holds a stream's live messages back, from where the subscriber is in it. */
  hold(reader: StreamReader, position: number): void {
    if (!reader.held) this.#held += 1;
    reader.held = true;
    reader.position = position;
    reader.epoch = reader.tail.epoch;
  }

  release(reader: StreamReader): void {
    if (reader.held) this.#held -= 1;
    reader.held = false;
  }

  /** What the connection may resume from: everything up to here has been written to it. */
  cursor(): string {
    if (this.settled) return this.#set.cursor();
    const parts = [...this.readers.values()]
      .sort((a, b) => (a.tail.stream < b.tail.stream ? -1 : 1))
      .map(({ tail, held, epoch, position }) =>
        held
          ? formatPosition(tail.stream, epoch, position)
          : formatPosition(tail.stream, tail.epoch, tail.last),
      );
    return joinPositions(parts);
  }

  /** Delivers a live message of the tail that it just came from. */
  deliver(message: StreamMessage): void {
    const { encoding } = this.sink;
    this.write(
      this.settled ? this.#set.frame(message, encoding) : encoding.encode(message.text, this.cursor()),
    );
  }

  /** Writes a message and minds the budget: bytes are counted up, and the sink is asked only when they could be too many. */
  write(frame: Frame): void {
    this.sink.write(frame);
    this.#written += frame.bytes;
    if (this.#written <= this.#budgetBytes) return;
    this.#written = this.sink.bufferedBytes();
    if (this.#written > this.#budgetBytes) this.#onSlow(this);
  }
}
