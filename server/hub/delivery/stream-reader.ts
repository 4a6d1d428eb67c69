import type { GapInfo, NotRecovered, StreamClass } from '@axiom-streaming/protocol/message';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import type { Clock } from '../../time/clock.js';
import type { ReaderCounts } from '../counters.js';
import { Backlog } from '../queues/backlog.js';
import { type Conflation, Conflator } from '../queues/conflator.js';
import { snapshot } from '../tail/last-values.js';
import type { StreamMessage } from '../tail/stream-message.js';
import type { StreamTail } from '../tail/stream-tail.js';
import type { EncodableMessage } from './encoding.js';

/** The part of a connection that its readers use. */
export interface Outlet {
  /** True while more waits for it than its budget allows, until it has caught up. */
  readonly slow: boolean;
  /** True once it has been told to end: nothing is written to it then. */
  readonly ended: boolean;
  /** True once it has ended. */
  readonly closed: boolean;
  /** Delivers a live message of the tail that it just came from. */
  deliver(message: StreamMessage): void;
  /** Writes a message to this connection alone. @returns the size of its frame, bytes */
  write(message: EncodableMessage): number;
  /** Writes what waits. */
  flush(): void;
  gap(info: GapInfo): void;
  /** Tells the connection its cursor, unless it was told the same. */
  position(): void;
  /** Bytes that were written and have not left this process. */
  bufferedBytes(): number;
  /** A reader has left the shared path (1) or returned to it (-1). */
  countApart(change: 1 | -1): void;
  /** A message of a slow `log` stream was dropped; the connection is told before the next one. */
  droppedWhileSlow(): void;
  /** Ends the connection for being slow. */
  endSlow(): void;
}

/** The part of a stream that its readers share. */
export interface ReaderSource {
  readonly tail: StreamTail;
  readonly streamClass: StreamClass;
  readonly counts: ReaderCounts;
  readonly clock: Clock;
  /** Most that may be kept aside for each reader, bytes. */
  readonly asideBytes: number;
}

/** There are many readers, and few of them conflate anything. */
const NO_CONFLATIONS: ReadonlyMap<string, Conflation> = new Map();

/**
 * What one subscriber reads of one stream.
 *
 * Most readers are on the shared path: the fan-out hands them each message with a frame that is made once for all. A
 * reader is apart from it while a backfill is under way, while a topic of it is conflated, or while its connection
 * is slow; then {@link take} decides about each message, by the conflation that was asked for or by the stream's class.
 */
export class StreamReader {
  readonly outlet: Outlet;
  readonly tail: StreamTail;
  /** The keys that were asked for; `*` means all of them. */
  readonly keys = new Set<string>();
  /** By key, including `*`: the conflation that was asked for. */
  conflations = NO_CONFLATIONS;
  /** True while messages go through {@link take}. */
  apart = false;
  /** While held, live messages are not delivered: a backfill is under way. */
  held = false;
  /** While held: seq of the last message of the stream that was really written. */
  position = 0;
  /** While held: the epoch of {@link position}. */
  epoch = '';
  readonly #source: ReaderSource;
  #conflator: Conflator | undefined;
  #backlog: Backlog | undefined;

  constructor(outlet: Outlet, source: ReaderSource) {
    this.outlet = outlet;
    this.tail = source.tail;
    this.#source = source;
  }

  get streamClass(): StreamClass {
    return this.#source.streamClass;
  }

  wants(key: string): boolean {
    return this.keys.has(ALL_KEYS) || this.keys.has(key);
  }

  topics(): string[] {
    return [...this.keys].map((key) => topicName(this.tail.stream, key));
  }

  /** To be called through the hub, which keeps the fan-out in step. Conflations of other keys are left out. */
  setKeys(keys: ReadonlySet<string>, conflations: ReadonlyMap<string, Conflation>): void {
    const conflated = [...conflations].filter(([key]) => keys.has(key));
    this.keys.clear();
    for (const key of keys) this.keys.add(key);
    this.conflations = conflated.length === 0 ? NO_CONFLATIONS : new Map(conflated);
    this.refresh();
  }

  /** How messages of a key are conflated: a rule for the key itself takes precedence over one for `*`. */
  conflationOf(key: string): Conflation | undefined {
    if (this.conflations.size === 0) return undefined;
    return this.conflations.get(this.keys.has(key) ? key : ALL_KEYS);
  }

  /** The seq up to which everything has been written, folded into something newer, or reported as lost. */
  get seq(): number {
    let seq = this.held ? this.position : this.tail.last;
    const oldest = this.#conflator?.oldest;
    if (oldest !== undefined) seq = Math.min(seq, oldest - 1);
    if (this.#backlog?.empty === false) seq = Math.min(seq, this.#backlog.position);
    return seq;
  }

  /** Decides about a live message while the reader is {@link apart}. */
  take(message: StreamMessage): void {
    const { outlet } = this;
    if (this.held || outlet.ended) return;
    const conflation = this.conflationOf(message.key);
    if (conflation !== undefined) this.#conflate(message, conflation);
    else if (!outlet.slow) {
      this.#source.counts.delivered += 1;
      outlet.deliver(message);
    } else if (this.streamClass === 'state') this.#conflate(message, undefined);
    else if (this.streamClass === 'log') this.#keep(message);
    else outlet.endSlow();
  }

  /** Writes a message that a backfill found, or conflates it. @returns bytes written at once */
  backfill(message: StreamMessage): number {
    const conflation = this.conflationOf(message.key);
    if (conflation === undefined) return this.outlet.write(message);
    this.#conflate(message, conflation);
    return 0;
  }

  /** Writes a message of a snapshot or rewind, as it is. @returns bytes */
  writeOpening(message: StreamMessage): number {
    const conflation = this.conflationOf(message.key);
    if (conflation !== undefined) this.#conflatorOfIts().sent(message.key, conflation);
    return this.outlet.write(message);
  }

  /** To be called when what holds the reader apart may have changed. */
  refresh(): void {
    this.#conflator?.refresh(
      (key) => this.wants(key),
      (key) => this.conflationOf(key) !== undefined,
    );
    const apart = this.keys.size > 0 && (this.held || this.conflations.size > 0 || this.outlet.slow);
    if (apart === this.apart) return;
    this.apart = apart;
    this.outlet.countApart(apart ? 1 : -1);
  }

  /** Gives up everything pending, for a backfill to bring. @returns by key, the seq where the backfill must begin */
  surrender(): Map<string, number> {
    const keysFrom = this.#backlog?.empty === false ? this.#backlog.position : this.tail.last;
    const starts = new Map<string, number>();
    for (const key of this.keys) {
      starts.set(key, this.conflations.has(key) ? this.tail.last : keysFrom);
    }
    for (const [key, seq] of this.#conflator?.surrender() ?? []) starts.set(key, seq);
    this.#backlog?.clear();
    return starts;
  }

  /** Holds live messages back, from where the connection is in the stream. */
  hold(position: number): void {
    this.outlet.flush();
    this.held = true;
    this.position = position;
    this.epoch = this.tail.epoch;
    this.refresh();
  }

  /** Live messages are delivered again. */
  release(): void {
    this.held = false;
    this.refresh();
  }

  /** Tells the connection of messages that it will not get. @param from first and last seq, if known */
  announceGap(reason: GapInfo['reason'], from?: number, to?: number): void {
    this.outlet.gap({
      stream: this.tail.stream,
      topics: this.topics(),
      recovered: false,
      reason,
      ...(from === undefined || to === undefined ? {} : { from, to }),
      epoch: this.tail.epoch,
    });
  }

  /**
   * Tells the connection that it cannot continue from where it was. A `state` stream then sends its current values,
   * and after them the cursor, which until then is that of a past epoch of the log. Call it only while the reader is
   * not held.
   */
  announceLoss(reason: NotRecovered): void {
    const { outlet, tail } = this;
    // Everything pending is from a past epoch.
    this.#conflator?.surrender();
    this.#backlog?.clear();
    this.announceGap(reason);
    const messages = this.streamClass === 'state' ? snapshot(tail.lastValues, this.keys) : [];
    if (outlet.slow) {
      for (const message of messages) this.take(message);
    } else if (messages.length > 0) {
      // A cut in the middle of it must find the rest again: each message comes with its own place.
      this.hold(messages[0]!.seq - 1);
      for (const message of messages) {
        this.position = message.seq;
        this.writeOpening(message);
      }
      this.release();
    }
    outlet.position();
  }

  /** The connection is above its budget. */
  pause(): void {
    this.#conflator?.pause();
    this.refresh();
  }

  /** The connection has caught up: everything that was kept aside was written. */
  resume(): void {
    this.refresh();
    this.#conflator?.resume();
  }

  /** Writes what was kept aside while the connection was slow, a message at each step. */
  *aside(): Generator<void> {
    if (this.held) return;
    const backlog = this.#backlog;
    if (backlog !== undefined) {
      while (!backlog.empty) {
        const dropped = backlog.takeDropped();
        if (dropped !== undefined) this.announceGap('slow', dropped.from, dropped.to);
        const message = backlog.next()!;
        if (!this.wants(message.key)) continue;
        this.#source.counts.delivered += 1;
        this.outlet.write(message);
        yield;
      }
    }
    if (this.#conflator !== undefined) yield* this.#conflator.release();
  }

  #conflate(message: StreamMessage, conflation: Conflation | undefined): void {
    this.#conflatorOfIts().take(message, conflation);
  }

  #keep(message: StreamMessage): void {
    this.#backlog ??= new Backlog(this.#source.asideBytes, () => {
      this.#source.counts.dropped += 1;
      this.outlet.droppedWhileSlow();
    });
    this.#backlog.push(message);
  }

  #conflatorOfIts(): Conflator {
    const { clock, asideBytes, counts } = this.#source;
    if (this.#conflator === undefined) {
      this.#conflator = new Conflator({
        clock,
        maxBytes: asideBytes,
        emit: (message) => {
          counts.delivered += 1;
          this.outlet.write(message);
        },
        onFolded: () => {
          counts.conflated += 1;
        },
        onFull: () => this.outlet.endSlow(),
      });
      if (this.outlet.slow) this.#conflator.pause();
    }
    return this.#conflator;
  }
}
