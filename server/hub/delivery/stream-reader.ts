import type { StreamClass } from '@axiom-streaming/protocol/message';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import type { Clock } from '../../time/clock.js';
import { Backlog } from '../queues/backlog.js';
import { type Conflation, Conflator } from '../queues/conflator.js';
import { announceGap } from '../recovery/backfill.js';
import type { StreamMessage } from '../tail/stream-message.js';
import type { StreamTail } from '../tail/stream-tail.js';
import type { Subscriber } from './subscriber.js';

/** What the readers of a stream count. */
export interface ReaderCounts {
  /** Messages handed to connections. */
  delivered: number;
  /** Messages that were folded into a newer one. */
  conflated: number;
  /** Messages that a slow connection did not get, and was told so. */
  dropped: number;
}

/** A stream as its readers share it. */
export interface ReaderSource {
  readonly tail: StreamTail;
  readonly streamClass: StreamClass;
  readonly counts: ReaderCounts;
  readonly clock: Clock;
  /** What may be kept aside for each reader, bytes. */
  readonly asideBytes: number;
}

/** There are many readers, and few of them conflate anything. */
const NO_CONFLATIONS: ReadonlyMap<string, Conflation> = new Map();

/**
 * What one subscriber reads of one stream.
 *
 * Most readers are on the shared path: the fan-out hands them each message with a frame that is made once for all. A
 * reader stands apart from it while a backfill is under way, while a topic of it is conflated, or while its connection
 * is slow; then {@link take} decides about each message, by the conflation that was asked for or by the stream's class.
 */
export class StreamReader {
  readonly subscriber: Subscriber;
  readonly tail: StreamTail;
  /** The keys that were asked for; `*` among them stands for all. */
  readonly keys = new Set<string>();
  /** By key, `*` too: what was asked to be conflated. */
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

  constructor(subscriber: Subscriber, source: ReaderSource) {
    this.subscriber = subscriber;
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

  /** How messages of a key are conflated: what is said of the key itself goes before what is said of `*`. */
  conflationOf(key: string): Conflation | undefined {
    if (this.conflations.size === 0) return undefined;
    return this.conflations.get(this.keys.has(key) ? key : ALL_KEYS);
  }

  /** The seq up to which everything has been written, folded into something newer, or told to be lost. */
  get seq(): number {
    let seq = this.held ? this.position : this.tail.last;
    const oldest = this.#conflator?.oldest;
    if (oldest !== undefined) seq = Math.min(seq, oldest - 1);
    if (this.#backlog?.empty === false) seq = Math.min(seq, this.#backlog.position);
    return seq;
  }

  /** Decides about a live message while the reader is {@link apart}. */
  take(message: StreamMessage): void {
    const { subscriber } = this;
    if (this.held || subscriber.ended) return;
    const conflation = this.conflationOf(message.key);
    if (conflation !== undefined) this.#conflate(message, conflation);
    else if (!subscriber.slow) {
      this.#source.counts.delivered += 1;
      subscriber.deliver(message);
    } else if (this.streamClass === 'state') this.#conflate(message, undefined);
    else if (this.streamClass === 'log') this.#keep(message);
    else subscriber.endSlow();
  }

  /** Writes a message that a backfill came upon on its way, or conflates it. @returns bytes written at once */
  backfill(message: StreamMessage): number {
    const conflation = this.conflationOf(message.key);
    if (conflation === undefined) return this.subscriber.write(message);
    this.#conflate(message, conflation);
    return 0;
  }

  /** Writes a message of a snapshot or rewind, as it is. @returns bytes */
  preload(message: StreamMessage): number {
    const conflation = this.conflationOf(message.key);
    if (conflation !== undefined) this.#conflatorOfIts().sent(message.key, conflation);
    return this.subscriber.write(message);
  }

  /** To be called when what holds the reader apart may have changed. */
  refresh(): void {
    this.#conflator?.refresh(
      (key) => this.wants(key),
      (key) => this.conflationOf(key) !== undefined,
    );
    const apart = this.keys.size > 0 && (this.held || this.conflations.size > 0 || this.subscriber.slow);
    if (apart === this.apart) return;
    this.apart = apart;
    this.subscriber.countApart(apart ? 1 : -1);
  }

  /** What waits for anything is given up, for a backfill to bring it. @returns by key, the seq where that must begin */
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

  /** What waits for anything is of an epoch that is over. */
  forget(): void {
    this.#conflator?.surrender();
    this.#backlog?.clear();
  }

  /** The connection is above its budget. */
  pause(): void {
    this.#conflator?.pause();
    this.refresh();
  }

  /** The connection has drained, and everything that was kept aside was written. */
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
        if (dropped !== undefined) announceGap(this, 'slow', dropped.from, dropped.to);
        const message = backlog.next()!;
        if (!this.wants(message.key)) continue;
        this.#source.counts.delivered += 1;
        this.subscriber.write(message);
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
      this.subscriber.droppedWhileSlow();
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
          this.subscriber.write(message);
        },
        onFolded: () => {
          counts.conflated += 1;
        },
        onFull: () => this.subscriber.endSlow(),
      });
      if (this.subscriber.slow) this.#conflator.pause();
    }
    return this.#conflator;
  }
}
