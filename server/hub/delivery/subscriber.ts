import { CLOSE, type CloseCode } from '@axiom-streaming/protocol/close-codes';
import { formatPosition, joinPositions } from '@axiom-streaming/protocol/cursor';
import type { DegradedInfo, ExpiringInfo, GapInfo } from '@axiom-streaming/protocol/message';
import { topicName } from '@axiom-streaming/protocol/topic';
import { type Access, FULL_ACCESS } from '../access.js';
import type { Conflation } from '../queues/conflator.js';
import type { StreamMessage } from '../tail/stream-message.js';
import type { EncodableMessage, Encoding, Frame } from './encoding.js';
import type { Flushable, Flusher } from './flusher.js';
import { FrameChain } from './frame-chain.js';
import type { Lane } from './lanes.js';
import type { Outlet, StreamReader } from './stream-reader.js';

/**
 * A transport's end of one connection. Its methods do not throw, and do nothing once the connection is closed. They
 * are for {@link Subscriber} alone, which keeps frames and events in order.
 */
export interface Sink {
  readonly encoding: Encoding;
  /** Writes frames that {@link encoding} made. @returns as {@link bufferedBytes} */
  write(frames: FrameChain): number;
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

/** While a connection catches up, its buffer is looked at after this many messages. */
const CATCH_UP_MESSAGES = 64;

export interface SubscriberOptions {
  readonly id: string;
  readonly sink: Sink;
  /** Of the streams that it reads, in the sink's encoding. */
  readonly lane: Lane;
  readonly flusher: Flusher;
  readonly budgetBytes: number;
  readonly watch: SlowWatch;
  /** What it may do. Default: everything. */
  readonly access?: Access | undefined;
}

/** Is notified when a connection reads slowly. */
export interface SlowWatch {
  /** More waits for the connection than its budget allows. */
  above(subscriber: Subscriber): void;
  /** It has lost the oldest messages of a stream, and will be told. */
  dropped(subscriber: Subscriber): void;
  /** It is about to be ended with 4008. */
  ended(subscriber: Subscriber): void;
}

/**
 * One connection in the hub, whatever its transport.
 *
 * Frames wait in {@link pending} until the next flush. Everything else that is said to the connection, and everything
 * that looks at its cursor, flushes first: a cursor that overtook its messages would lose them at the next cut.
 */
export class Subscriber implements Outlet, Flushable {
  readonly id: string;
  readonly access: Access;
  readonly readers = new Map<string, StreamReader>();
  /** Requests that change subscriptions run one after the other. */
  turn: Promise<unknown> = Promise.resolve();
  closed = false;
  /** True once the connection has been told to end; nothing is written to it then. */
  ended = false;
  /** Why this node ended it. Undefined if the client or the network did. */
  endedBy: CloseCode | undefined;
  /** True from when more waits for it than its budget allows until it has caught up. */
  slow = false;
  /** Set by the hub from time to time; false again once something is written. */
  quiet = false;
  readonly #sink: Sink;
  readonly #flusher: Flusher;
  #pending: FrameChain | undefined;
  #lane: Lane;
  /** Readers that are not on the shared path. While there are any, frames and cursors are this connection's own. */
  #apart = 0;
  #toldCursor = '';
  readonly #budgetBytes: number;
  readonly #watch: SlowWatch;

  constructor({ id, sink, lane, flusher, budgetBytes, watch, access }: SubscriberOptions) {
    this.id = id;
    this.access = access ?? FULL_ACCESS;
    this.#sink = sink;
    this.#lane = lane;
    this.#flusher = flusher;
    this.#budgetBytes = budgetBytes;
    this.#watch = watch;
  }

  get encoding(): Encoding {
    return this.#sink.encoding;
  }

  /** True while no backfill is under way. */
  get settled(): boolean {
    for (const { held } of this.readers.values()) if (held) return false;
    return true;
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

  /** By topic: the conflation that was asked for. */
  conflations(): Map<string, Conflation> {
    const all = new Map<string, Conflation>();
    for (const { tail, conflations } of this.readers.values()) {
      for (const [key, conflation] of conflations) all.set(topicName(tail.stream, key), conflation);
    }
    return all;
  }

  /** A reader has left the shared path (1) or returned to it (-1). */
  countApart(change: 1 | -1): void {
    this.#apart += change;
  }

  /** The streams that it reads have changed. */
  useLane(lane: Lane): void {
    this.#lane = lane;
  }

  /** What the connection may resume from: everything up to here has been written to it. */
  cursor(): string {
    this.flush();
    return this.#cursorOfPending();
  }

  /** Delivers a live message of the tail that it just came from. */
  deliver(message: StreamMessage): void {
    this.#append(this.#apart === 0 ? this.#lane.frame(message) : this.#encode(message));
  }

  /** Writes a message to this connection alone. @returns the size of its frame, bytes */
  write(message: EncodableMessage): number {
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

  /** Tells the connection its cursor again: something that is not the hub's may stand in its place there. */
  repeatPosition(): void {
    this.#toldCursor = '';
    this.position();
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
    this.endedBy = code;
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
    if (this.#sink.write(pending) > this.#budgetBytes && !this.slow) this.#watch.above(this);
  }

  /** Takes every stream off the shared path; its class decides what happens to its messages. */
  beginSlow(): void {
    this.slow = true;
    for (const reader of this.readers.values()) reader.pause();
  }

  /**
   * Writes what was kept aside while the connection was slow, and stops once more than `untilBytes` are buffered.
   *
   * @returns true if nothing is left and the connection is live again
   */
  catchUp(untilBytes: number): boolean {
    for (const reader of this.readers.values()) {
      let messages = 0;
      for (const _ of reader.aside()) {
        messages += 1;
        if (messages % CATCH_UP_MESSAGES === 0 && this.bufferedBytes() > untilBytes) return false;
      }
      if (messages > 0 && this.bufferedBytes() > untilBytes) return false;
    }
    this.slow = false;
    for (const reader of this.readers.values()) reader.resume();
    return true;
  }

  /** Messages of a slow `log` stream were dropped; the connection is told before the next one. */
  droppedWhileSlow(): void {
    this.#watch.dropped(this);
  }

  /**
   * Ends the connection for being slow. Nothing that waits is written any more: its cursor might lie beyond messages
   * that could not be kept. The connection ends after this turn, because the caller may be iterating over the readers.
   */
  endSlow(): void {
    if (this.ended) return;
    this.#watch.ended(this);
    this.ended = true;
    this.endedBy = CLOSE.slow;
    queueMicrotask(() => this.#sink.close(CLOSE.slow));
  }

  #append(frame: Frame): void {
    if (this.#pending === undefined) {
      // A connection that shares no frames gets a separate chain, so as not to break up the chains of those that do.
      this.#pending = this.#apart === 0 ? this.#lane.start(this.#flusher.round) : FrameChain.start();
      this.#flusher.add(this);
    }
    this.#pending = this.#pending.followedBy(frame);
  }

  #encode(message: EncodableMessage): Frame {
    return this.#sink.encoding.encode(message, this.#cursorOfPending());
  }

  #cursorOfPending(): string {
    if (this.#apart === 0) return this.#lane.cursor();
    const parts = [...this.readers.values()]
      .sort((a, b) => (a.tail.stream < b.tail.stream ? -1 : 1))
      .map(({ tail, held, epoch, seq }) => formatPosition(tail.stream, held ? epoch : tail.epoch, seq));
    return joinPositions(parts);
  }
}
