/**
 * The hub: a node's registry of streams and subscribers. It sees neither Redis nor any transport.
 */

import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { NotRecovered } from '@axiom-streaming/protocol/message';
import { parseTopic, TOPIC_FORM, type Topic } from '@axiom-streaming/protocol/topic';
import { HubError } from '../errors.js';
import type { LogBatch, LogListener, StreamLog } from '../log/stream-log.js';
import type { Logger } from '../logger.js';
import { sleep } from '../time/backoff.js';
import { type Clock, systemClock } from '../time/clock.js';
import type { Access } from './access.js';
import { type HubCounters, hubCounters, increment } from './counters.js';
import { Fanout } from './delivery/fanout.js';
import { Flusher } from './delivery/flusher.js';
import { Lanes } from './delivery/lanes.js';
import { Outages } from './delivery/outages.js';
import { SlowConnections } from './delivery/slow-connections.js';
import { type ReaderSource, StreamReader } from './delivery/stream-reader.js';
import { type Sink, Subscriber } from './delivery/subscriber.js';
import type { Conflation } from './queues/conflator.js';
import { Recovery, type RecoveryLog } from './recovery/recovery.js';
import type { StreamConfig } from './streams.js';
import type { StreamMessage } from './tail/stream-message.js';
import { StreamTail } from './tail/stream-tail.js';
import type { TailListener, TailPosition } from './tail/tail-ports.js';
import { deliverTraced, type Tracing } from './tracing.js';

/** A quiet connection hears its cursor after 7 to 14 s, so that it stays able to resume. */
const POSITION_EVERY_MS = 7_000;
const CLOSE_SPREAD_MS_PER_CONNECTION = 5;
/** Backfill pauses at this part of a connection's budget, so that backfill alone never makes a connection slow. */
const BACKFILL_PAUSES_AT = 0.25;

export interface HubLimits {
  /** Bytes that one connection may have waiting before it is slow. What is kept aside then may be as much again. */
  readonly connectionBudgetBytes: number;
  /** Bytes of recent messages that a node keeps per stream. */
  readonly windowBytes: number;
  readonly topicsPerConnection: number;
  /** Of a socket without a token. */
  readonly topicsPerAnonymousConnection: number;
  /** Messages of a stream that one recovery may walk over. */
  readonly recoveryMaxMessages: number;
  readonly topCheckMs: number;
  /** Most backfills at a time. */
  readonly concurrentBackfills: number;
  /** Longest time that a message waits to be written together with others. */
  readonly flushWindowMs: number;
}

/** A stream of this node. */
export interface HubStream {
  readonly config: StreamConfig;
  readonly tail: StreamTail;
  readonly fanout: Fanout<StreamReader>;
  /** What its readers share. */
  readonly source: ReaderSource;
}

export interface HubOptions {
  readonly streams: readonly StreamConfig[];
  readonly log: StreamLog;
  /** What recoveries and history read. Default: the log. */
  readonly past?: RecoveryLog;
  readonly logger: Logger;
  readonly limits: HubLimits;
  /** Called once for each message with the time from its commit to here, ms. */
  readonly onLatency?: (ms: number) => void;
  /** Default: the process's own. */
  readonly clock?: Clock;
  readonly tracing?: Tracing | undefined;
}

export class Hub implements TailListener, LogListener {
  readonly streams = new Map<string, HubStream>();
  readonly subscribers = new Map<string, Subscriber>();
  readonly recovery: Recovery;
  readonly limits: HubLimits;
  readonly slow: SlowConnections;
  readonly counters: HubCounters;
  readonly log: StreamLog;
  readonly #lanes = new Lanes();
  readonly #flusher: Flusher;
  readonly #onLatency: (ms: number) => void;
  readonly #tracing: Tracing | undefined;
  #positions: NodeJS.Timeout | undefined;
  readonly outages = new Outages();
  #draining = false;

  constructor({
    streams,
    log,
    past = log,
    logger,
    limits,
    onLatency = () => undefined,
    clock = systemClock,
    tracing,
  }: HubOptions) {
    this.#tracing = tracing;
    this.log = log;
    this.counters = hubCounters(streams.map(({ name }) => name));
    this.limits = limits;
    this.slow = new SlowConnections({
      budgetBytes: limits.connectionBudgetBytes,
      clock,
      logger,
      counters: this.counters.slowConsumers,
    });
    this.recovery = new Recovery({
      log: past,
      tailOf: (stream) => this.stream(stream).tail,
      clock,
      maxMessages: limits.recoveryMaxMessages,
      concurrentBackfills: limits.concurrentBackfills,
      pauseBytes: limits.connectionBudgetBytes * BACKFILL_PAUSES_AT,
      outcomes: this.counters.recoveries,
    });
    this.#flusher = new Flusher(limits.flushWindowMs);
    this.#onLatency = onLatency;
    for (const config of streams) {
      const tail = new StreamTail({
        stream: config.name,
        log,
        listener: this,
        logger,
        counters: this.counters,
        windowBytes: limits.windowBytes,
        topCheckMs: limits.topCheckMs,
        archived: config.archive,
      });
      const fanout = new Fanout<StreamReader>();
      const source: ReaderSource = {
        tail,
        streamClass: config.class,
        counts: fanout.counts,
        clock,
        asideBytes: limits.connectionBudgetBytes,
      };
      this.streams.set(config.name, { config, tail, fanout, source });
    }
  }

  /** True while the node is being shut down: no new connections. */
  get draining(): boolean {
    return this.#draining;
  }

  /** True while every stream is followed live. */
  get live(): boolean {
    return [...this.streams.values()].every(({ tail }) => tail.live);
  }

  /** Messages written to connections so far. */
  get delivered(): number {
    let sum = 0;
    for (const { fanout } of this.streams.values()) sum += fanout.delivered;
    return sum;
  }

  /** Begins to follow the log. */
  start(): void {
    this.log.follow(this);
    for (const { tail } of this.streams.values()) tail.start();
    this.#positions = setInterval(() => this.#renewPositions(), POSITION_EVERY_MS);
    this.#positions.unref();
  }

  /** Ends the hub's own timers and loops. The transports close the connections. */
  stop(): void {
    clearInterval(this.#positions);
    this.slow.stop();
    for (const { tail } of this.streams.values()) tail.stop();
  }

  /** Resolves when every stream is live for the first time. */
  async whenLive(): Promise<void> {
    await Promise.all([...this.streams.values()].map(({ tail }) => tail.whenLive()));
  }

  /** A new connection, and what it may do (default: everything). It reads nothing yet. */
  attach(id: string, sink: Sink, access?: Access): Subscriber {
    const subscriber = new Subscriber({
      id,
      sink,
      lane: this.#lanes.of([], sink.encoding),
      flusher: this.#flusher,
      budgetBytes: this.limits.connectionBudgetBytes,
      watch: this.slow,
      access,
    });
    this.subscribers.set(id, subscriber);
    // It was admitted before the drain began. Its transport greets it first.
    if (this.#draining) setImmediate(() => this.#sendAway(subscriber, 0));
    return subscriber;
  }

  /** A connection has ended. */
  detach(subscriber: Subscriber): void {
    if (!subscriber.closed) increment(this.counters.disconnects, subscriber.endedBy?.name ?? 'client');
    subscriber.closed = true;
    this.outages.forget(subscriber);
    if (this.subscribers.get(subscriber.id) === subscriber) this.subscribers.delete(subscriber.id);
    for (const reader of subscriber.readers.values()) this.#setKeys(reader, new Set(), reader.conflations);
    subscriber.readers.clear();
  }

  /** The stream of a name. @throws HubError `unknown_stream`, naming those that exist. */
  stream(name: string, field?: string): HubStream {
    const stream = this.streams.get(name);
    if (stream !== undefined) return stream;
    const names = [...this.streams.keys()].join(', ');
    throw new HubError(
      'unknown_stream',
      `There is no stream "${name}"; there are: ${names}`,
      field ? { field } : {},
    );
  }

  /** Parses a topic and finds its stream. @throws HubError that names the field. */
  topic(text: string, field: string): Topic {
    const topic = parseTopic(text);
    if (topic === undefined) {
      const shown = text.slice(0, 200);
      throw new HubError('bad_topic', `${field}: "${shown}" is not a topic; a topic is ${TOPIC_FORM}`, {
        field,
      });
    }
    this.stream(topic.stream, field);
    return topic;
  }

  /** What a subscriber reads of a stream; a new reader, without keys, if it reads nothing of it yet. */
  reader(subscriber: Subscriber, stream: string): StreamReader {
    return subscriber.readers.get(stream) ?? new StreamReader(subscriber, this.stream(stream).source);
  }

  /**
   * Changes the keys that a subscriber reads of a stream; the stream is no longer read if none is left. Does nothing
   * once the connection is gone.
   *
   * @param conflations by key; those of other keys are left out
   */
  setKeys(
    subscriber: Subscriber,
    reader: StreamReader,
    keys: ReadonlySet<string>,
    conflations: ReadonlyMap<string, Conflation> = reader.conflations,
  ): void {
    if (subscriber.closed) return;
    this.#setKeys(reader, keys, conflations);
    if (keys.size === 0) subscriber.readers.delete(reader.tail.stream);
    else subscriber.readers.set(reader.tail.stream, reader);
    const tails = [...subscriber.readers.values()].map(({ tail }) => tail);
    subscriber.useLane(this.#lanes.of(tails, subscriber.encoding));
  }

  /**
   * Asks every connection to reconnect elsewhere and closes it, spread over up to `windowMs`, so that they do not all
   * reach the other nodes at once.
   */
  async drain(windowMs: number): Promise<void> {
    this.#draining = true;
    const subscribers = [...this.subscribers.values()];
    const spread = Math.min(windowMs, subscribers.length * CLOSE_SPREAD_MS_PER_CONNECTION);
    const inMs = (i: number) => Math.round((spread * i) / subscribers.length);
    await Promise.all(subscribers.map((subscriber, i) => this.#sendAway(subscriber, inMs(i))));
  }

  async #sendAway(subscriber: Subscriber, inMs: number): Promise<void> {
    if (subscriber.closed || subscriber.ended) return;
    subscriber.drain(inMs);
    if (inMs > 0) await sleep(inMs);
    if (!subscriber.closed) subscriber.close(CLOSE.drain);
  }

  // --- LogListener

  batch(batch: LogBatch): void {
    this.streams.get(batch.stream)?.tail.batch(batch);
  }

  lostByAppend(): void {
    this.counters.epochRotations += 1;
  }

  interrupted(stream?: string): void {
    const streams = this.#streamsOf(stream);
    for (const { tail } of streams) tail.interrupted();
    this.outages.begin(
      streams.map(({ config }) => config.name),
      this.subscribers.values(),
    );
  }

  resumed(stream?: string): void {
    const streams = this.#streamsOf(stream);
    for (const { tail } of streams) tail.resumed();
    void Promise.all(streams.map(({ tail }) => tail.whenLive())).then(() => {
      // Some may have been interrupted again meanwhile.
      const live = streams.filter(({ tail }) => tail.live);
      this.outages.end(live.map(({ config }) => config.name));
    });
  }

  // --- TailListener

  message(tail: TailPosition, message: StreamMessage): void {
    const { received } = this.counters;
    received.set(tail.stream, received.get(tail.stream)! + 1);
    this.#onLatency(Date.now() - message.time);
    const { fanout } = this.streams.get(tail.stream)!;
    if (message.trace === undefined || this.#tracing === undefined) fanout.deliver(message);
    else deliverTraced(this.#tracing, { stream: tail.stream, message, fanout, flusher: this.#flusher });
  }

  lost(tail: TailPosition, from: number, to: number, reason: NotRecovered): void {
    for (const reader of this.streams.get(tail.stream)!.fanout.readers()) {
      if (!reader.held) reader.announceGap(reason, from, to);
    }
  }

  epochChanged(tail: TailPosition): void {
    const { fanout } = this.streams.get(tail.stream)!;
    // A held reader notices this before it is released.
    for (const reader of fanout.readers()) {
      if (!reader.held) reader.announceLoss('epoch_changed');
    }
  }

  /** Gives a reader other keys, and updates the fan-out of its stream. */
  #setKeys(
    reader: StreamReader,
    keys: ReadonlySet<string>,
    conflations: ReadonlyMap<string, Conflation>,
  ): void {
    const before = new Set(reader.keys);
    reader.setKeys(keys, conflations);
    this.counters.subscriptions += reader.keys.size - before.size;
    this.streams.get(reader.tail.stream)?.fanout.update(reader, before);
  }

  #streamsOf(name: string | undefined): readonly HubStream[] {
    return name === undefined ? [...this.streams.values()] : [this.stream(name)];
  }

  #renewPositions(): void {
    for (const subscriber of this.subscribers.values()) {
      const { quiet, readers, settled, slow } = subscriber;
      if (quiet && readers.size > 0 && settled && !slow) subscriber.position();
      subscriber.quiet = true;
    }
  }
}
