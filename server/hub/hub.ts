/**
 * The hub: a node's registry of streams and subscribers. It sees neither Redis nor any transport.
 */
import { HubError } from '../errors.js';
import type { LogBatch, LogListener, StreamLog } from '../log/stream-log.js';
import type { Logger } from '../logger.js';
import { CLOSE } from '../protocol/close-codes.js';
import type { Positions } from '../protocol/cursor.js';
import type { NotRecovered } from '../protocol/message.js';
import { parseTopic, TOPIC_FORM, type Topic } from '../protocol/topic.js';
import { announceGap, announceLoss } from './backfill.js';
import { sleep } from './backoff.js';
import { Fanout } from './fanout.js';
import { Flusher } from './flusher.js';
import { LogPages } from './log-pages.js';
import type { StreamMessage } from './stream-message.js';
import { StreamSets } from './stream-set.js';
import { StreamTail, type TailCounters, type TailListener } from './stream-tail.js';
import type { StreamConfig } from './streams.js';
import { type Sink, type StreamReader, Subscriber } from './subscriber.js';
import { Turns } from './turns.js';
import { judge, type Verdict } from './verdict.js';

/** A quiet connection hears its cursor after 7 to 14 s, so that it stays able to resume. */
const POSITION_EVERY_MS = 7_000;
const CLOSE_SPREAD_MS_PER_CONNECTION = 5;

export interface HubLimits {
  /** Bytes that one connection may have waiting before it is ended as slow. */
  readonly connectionBudgetBytes: number;
  /** Bytes of recent messages that a node keeps per stream. */
  readonly windowBytes: number;
  readonly topicsPerConnection: number;
  /** Messages of a stream that one recovery may walk over. */
  readonly recoveryMaxMessages: number;
  readonly topCheckMs: number;
  /** Backfills that go on at a time. */
  readonly concurrentBackfills: number;
  /** Longest time that a message waits to be written together with others. */
  readonly flushWindowMs: number;
}

/** What a node counts on the hot path; metrics read it when they are asked. */
export interface HubCounters extends TailCounters {
  /** Messages that came in from the log, by stream. */
  readonly received: Map<string, number>;
  readonly slowConsumers: { closed: number };
  readonly recoveries: Map<NotRecovered | 'recovered', number>;
}

/** A stream of this node. */
export interface HubStream {
  readonly config: StreamConfig;
  readonly tail: StreamTail;
  readonly fanout: Fanout;
}

export interface HubOptions {
  readonly streams: readonly StreamConfig[];
  readonly log: StreamLog;
  readonly logger: Logger;
  readonly limits: HubLimits;
  /** Called once for each message with the time from its commit to here, ms. */
  readonly onLatency?: (ms: number) => void;
}

export class Hub implements TailListener, LogListener {
  readonly streams = new Map<string, HubStream>();
  readonly subscribers = new Map<string, Subscriber>();
  readonly pages: LogPages;
  readonly backfills: Turns;
  readonly limits: HubLimits;
  readonly counters: HubCounters = {
    received: new Map(),
    recoveries: new Map(),
    slowConsumers: { closed: 0 },
    gapFills: 0,
    epochRotations: 0,
    epochChanges: 0,
    lostMessages: 0,
  };
  readonly #log: StreamLog;
  readonly #logger: Logger;
  readonly #sets = new StreamSets();
  readonly #flusher: Flusher;
  readonly #onLatency: (ms: number) => void;
  #positions: NodeJS.Timeout | undefined;
  #degraded = false;
  #draining = false;

  constructor({ streams, log, logger, limits, onLatency = () => undefined }: HubOptions) {
    this.#log = log;
    this.#logger = logger;
    this.limits = limits;
    this.pages = new LogPages(log);
    this.backfills = new Turns(limits.concurrentBackfills);
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
      });
      this.streams.set(config.name, { config, tail, fanout: new Fanout() });
      this.counters.received.set(config.name, 0);
    }
  }

  get log(): StreamLog {
    return this.#log;
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
    this.#log.follow(this);
    for (const { tail } of this.streams.values()) tail.start();
    this.#positions = setInterval(() => this.#renewPositions(), POSITION_EVERY_MS);
    this.#positions.unref();
  }

  /** Ends everything that this hub keeps going. Connections are the transports' to close. */
  stop(): void {
    clearInterval(this.#positions);
    for (const { tail } of this.streams.values()) tail.stop();
  }

  /** Resolves when every stream is live for the first time. */
  async whenLive(): Promise<void> {
    await Promise.all([...this.streams.values()].map(({ tail }) => tail.whenLive()));
  }

  /** A new connection. It reads nothing yet. */
  attach(id: string, sink: Sink): Subscriber {
    const subscriber = new Subscriber({
      id,
      sink,
      set: this.#sets.of([]),
      flusher: this.#flusher,
      budgetBytes: this.limits.connectionBudgetBytes,
      onSlow: (slow) => this.#endSlow(slow),
    });
    this.subscribers.set(id, subscriber);
    // After the welcome that the transport is about to send.
    if (this.#degraded) {
      queueMicrotask(() => subscriber.degraded({ degraded: true, reason: 'log_unavailable' }));
    }
    return subscriber;
  }

  /** A connection is gone. */
  detach(subscriber: Subscriber): void {
    subscriber.closed = true;
    if (this.subscribers.get(subscriber.id) === subscriber) this.subscribers.delete(subscriber.id);
    for (const reader of subscriber.readers.values()) this.setKeys(reader, new Set());
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
      throw new HubError(
        'bad_topic',
        `${field}: "${text.slice(0, 200)}" is no topic; a topic is ${TOPIC_FORM}`,
        {
          field,
        },
      );
    }
    this.stream(topic.stream, field);
    return topic;
  }

  /** Gives a reader other keys, in the registry too. */
  setKeys(reader: StreamReader, keys: ReadonlySet<string>): void {
    const before = new Set(reader.keys);
    reader.keys.clear();
    for (const key of keys) reader.keys.add(key);
    this.streams.get(reader.tail.stream)?.fanout.update(reader, before);
  }

  /** To be called after a subscriber's readers were added or removed. */
  refreshSet(subscriber: Subscriber): void {
    subscriber.useSet(this.#sets.of([...subscriber.readers.values()].map(({ tail }) => tail)));
  }

  /** Verdicts for topics against a cursor. Waits until their streams are live. */
  judge(topics: readonly Topic[], positions: Positions): Promise<Verdict[]> {
    return Promise.all(
      topics.map(async ({ stream, key }) => {
        const { tail } = this.stream(stream);
        await tail.whenLive();
        const verdict = await judge(tail, key, positions.get(stream), {
          log: this.#log,
          maxMessages: this.limits.recoveryMaxMessages,
        });
        const outcome = verdict.recovered ? 'recovered' : verdict.reason;
        this.counters.recoveries.set(outcome, (this.counters.recoveries.get(outcome) ?? 0) + 1);
        return verdict;
      }),
    );
  }

  /**
   * Asks every connection to go elsewhere and closes it, spread over up to `windowMs`, so that the other nodes are
   * not met by all of them at once.
   */
  async drain(windowMs: number): Promise<void> {
    this.#draining = true;
    const subscribers = [...this.subscribers.values()];
    const spread = Math.min(windowMs, subscribers.length * CLOSE_SPREAD_MS_PER_CONNECTION);
    await Promise.all(
      subscribers.map(async (subscriber, i) => {
        const ms = Math.round((spread * i) / subscribers.length);
        subscriber.drain(ms);
        if (ms > 0) await sleep(ms);
        if (!subscriber.closed) subscriber.close(CLOSE.drain);
      }),
    );
  }

  // --- LogListener

  batch(batch: LogBatch): void {
    this.streams.get(batch.stream)?.tail.batch(batch);
  }

  interrupted(): void {
    for (const { tail } of this.streams.values()) tail.interrupted();
    this.#setDegraded(true);
  }

  resumed(): void {
    for (const { tail } of this.streams.values()) tail.resumed();
    void this.whenLive().then(() => {
      if (this.live) this.#setDegraded(false);
    });
  }

  // --- TailListener

  message(tail: StreamTail, message: StreamMessage): void {
    const { received } = this.counters;
    received.set(tail.stream, received.get(tail.stream)! + 1);
    this.#onLatency(Date.now() - message.time);
    this.streams.get(tail.stream)!.fanout.deliver(message);
  }

  lost(tail: StreamTail, from: number, to: number, reason: NotRecovered): void {
    for (const reader of this.streams.get(tail.stream)!.fanout.readers()) {
      if (!reader.held) announceGap(reader, reason, from, to);
    }
  }

  epochChanged(tail: StreamTail): void {
    const { config, fanout } = this.streams.get(tail.stream)!;
    // A held reader notices by itself, before it is released.
    for (const reader of fanout.readers()) {
      if (!reader.held) announceLoss(reader, 'epoch_changed', config.class);
    }
  }

  #setDegraded(degraded: boolean): void {
    if (this.#degraded === degraded) return;
    this.#degraded = degraded;
    for (const subscriber of this.subscribers.values())
      subscriber.degraded({ degraded, reason: 'log_unavailable' });
  }

  #endSlow(subscriber: Subscriber): void {
    if (subscriber.ended) return;
    this.counters.slowConsumers.closed += 1;
    this.#logger.warn(
      { connection: subscriber.id, topics: subscriber.topicCount },
      'hub: a slow connection is ended',
    );
    subscriber.close(CLOSE.slow);
  }

  #renewPositions(): void {
    for (const subscriber of this.subscribers.values()) {
      if (subscriber.quiet && subscriber.readers.size > 0 && subscriber.settled) subscriber.position();
      subscriber.quiet = true;
    }
  }
}
