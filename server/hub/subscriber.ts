import type { CloseCode } from '../protocol/close-codes.js';
import { formatPosition, joinPositions } from '../protocol/cursor.js';
import type { DegradedInfo, ExpiringInfo, GapInfo } from '../protocol/message.js';
import { ALL_KEYS, topicName } from '../protocol/topic.js';
import { type Access, FULL_ACCESS } from './access.js';
import type { Link } from './chain.js';
import type { Encoding, Frame } from './encoding.js';
import type { Flusher } from './flusher.js';
import type { StreamMessage } from './stream-message.js';
import type { Lane, StreamSet } from './stream-set.js';
import type { StreamTail } from './stream-tail.js';

/**
 * A transport's end of one connection. Its methods do not throw, and do nothing once the connection is closed. They
 * are for {@link Subscriber} alone, which keeps frames and events in order.
 */
export interface Sink {
  readonly encoding: Encoding;
  /** Writes frames that {@link encoding} made. @returns as {@link bufferedBytes} */
  write(frames: Link): number;
  /** Tells the connection its cursor. */
  position(cursor: string): void;
  gap(info: GapInfo): void;
  degraded(info: DegradedInfo): void;
  drain(reconnectInMs: number): void;
  expiring(info: ExpiringInfo): void;
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

export interface SubscriberOptions {
  readonly id: string;
  readonly sink: Sink;
  readonly set: StreamSet;
  readonly flusher: Flusher;
  readonly budgetBytes: number;
  readonly onSlow: (subscriber: Subscriber) => void;
  /** What it may do. Default: everything. */
  readonly access?: Access | undefined;
}

/**
 * One connection in the hub, whatever its transport.
 *
 * Frames wait in {@link pending} until the next flush. Everything else that is said to the connection, and everything
 * that looks at its cursor, flushes first: a cursor that overtook its messages would lose them at the next cut.
 */
export class Subscriber {
  readonly id: string;
  readonly access: Access;
  readonly readers = new Map<string, StreamReader>();
  /** Requests that change subscriptions run one after the other. */
  turn: Promise<unknown> = Promise.resolve();
  closed = false;
  /** True once the connection has been told to end; nothing is written to it then. */
  ended = false;
  /** Set by the hub now and then; false again once something is written. */
  quiet = false;
  readonly #sink: Sink;
  readonly #flusher: Flusher;
  #pending: Link | undefined;
  #lane: Lane;
  #held = 0;
  #toldCursor = '';
  readonly #budgetBytes: number;
  readonly #onSlow: (subscriber: Subscriber) => void;

  constructor({ id, sink, set, flusher, budgetBytes, onSlow, access }: SubscriberOptions) {
    this.id = id;
    this.access = access ?? FULL_ACCESS;
    this.#sink = sink;
    this.#lane = set.lane(sink.encoding);
    this.#flusher = flusher;
    this.#budgetBytes = budgetBytes;
    this.#onSlow = onSlow;
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
    this.#lane = set.lane(this.#sink.encoding);
  }

  /** Holds a stream's live messages back, from where the subscriber is in it. */
  hold(reader: StreamReader, position: number): void {
    this.flush();
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
    this.flush();
    return this.#cursorOfPending();
  }

  /** Delivers a live message of the tail that it just came from. */
  deliver(message: StreamMessage): void {
    this.#append(this.#held === 0 ? this.#lane.frame(message) : this.#encode(message));
  }

  /** Writes a message of a backfill. @returns the size of its frame, bytes */
  write(message: StreamMessage): number {
    const frame = this.#encode(message);
    this.#append(frame);
    return frame.wire.length;
  }

  /** Tells the connection its cursor, unless it was told the same. */
  position(): void {
    const cursor = this.cursor();
    if (cursor === this.#toldCursor || this.closed || this.ended) return;
    this.#toldCursor = cursor;
    this.quiet = false;
    this.#sink.position(cursor);
  }

  gap(info: GapInfo): void {
    this.flush();
    this.#sink.gap(info);
  }

  degraded(info: DegradedInfo): void {
    this.flush();
    this.#sink.degraded(info);
  }

  drain(reconnectInMs: number): void {
    this.flush();
    this.#sink.drain(reconnectInMs);
  }

  /** Tells the connection that its token is about to end. */
  expiring(info: ExpiringInfo): void {
    if (this.closed || this.ended) return;
    this.flush();
    this.#sink.expiring(info);
  }

  close(code: CloseCode): void {
    if (this.ended) return;
    this.flush();
    this.ended = true;
    this.#sink.close(code);
  }

  /** Bytes that were written and have not left this process. */
  bufferedBytes(): number {
    this.flush();
    return this.#sink.bufferedBytes();
  }

  /** Writes what waits, and minds the budget. */
  flush(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    if (this.closed || this.ended) return;
    this.quiet = false;
    if (this.#sink.write(pending) > this.#budgetBytes) this.#onSlow(this);
  }

  #append(frame: Frame): void {
    if (this.#pending === undefined) {
      this.#pending = this.#lane.start(this.#flusher.round);
      this.#flusher.add(this);
    }
    this.#pending = this.#pending.followedBy(frame);
  }

  #encode(message: StreamMessage): Frame {
    return this.#sink.encoding.encode(message, this.#cursorOfPending());
  }

  #cursorOfPending(): string {
    if (this.#held === 0) return this.#lane.cursor();
    const parts = [...this.readers.values()]
      .sort((a, b) => (a.tail.stream < b.tail.stream ? -1 : 1))
      .map(({ tail, held, epoch, position }) =>
        held
          ? formatPosition(tail.stream, epoch, position)
          : formatPosition(tail.stream, tail.epoch, tail.last),
      );
    return joinPositions(parts);
  }
}
