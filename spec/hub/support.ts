/**
 * What the specs of the hub share: a sink that records, a log that can be held, broken and changed, a hub around it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SubscribeAnswer } from '@axiom-streaming/protocol/answers';
import type { CloseCode } from '@axiom-streaming/protocol/close-codes';
import { parseCursor } from '@axiom-streaming/protocol/cursor';
import type { DegradedInfo, ExpiringInfo, GapInfo, Message } from '@axiom-streaming/protocol/message';
import type { Encoding, Frame } from '../../server/hub/delivery/encoding.js';
import type { FrameChain } from '../../server/hub/delivery/frame-chain.js';
import type { Sink, Subscriber } from '../../server/hub/delivery/subscriber.js';
import { Hub, type HubLimits } from '../../server/hub/hub.js';
import { Publisher } from '../../server/hub/operations/publisher.js';
import type { StreamConfig } from '../../server/hub/streams.js';
import { MemoryStreamLog } from '../../server/log/memory-stream-log.js';
import type { LogBatch, LogEntry, LogListener, LogTop } from '../../server/log/stream-log.js';
import { silentLogger } from '../../server/logger.js';
import type { Clock } from '../../server/time/clock.js';
import { until } from '../support/wait.js';

interface RecordedFrame extends Frame {
  readonly text: string;
  readonly cursor: string;
}

/** A message as a client would see it, with the cursor that came along. */
export interface Received extends Message {
  readonly cursor: string;
}

/** One for all connections, as each transport has one. */
const ENCODING: Encoding = {
  name: 'recording',
  encode: ({ text }, cursor): RecordedFrame => ({ wire: Buffer.from(text), text, cursor }),
};

/** A connection that keeps what it is given, in order. */
export class RecordingSink implements Sink {
  readonly encoding = ENCODING;
  readonly messages: Received[] = [];
  readonly positions: string[] = [];
  readonly gaps: GapInfo[] = [];
  readonly degradations: DegradedInfo[] = [];
  readonly drains: number[] = [];
  readonly expirations: number[] = [];
  readonly closes: CloseCode[] = [];
  /** `message 3`, `gap trimmed`, `position …`, in the order in which they came. */
  readonly events: string[] = [];
  /** What the connection was last told that it may resume from. */
  cursor = '';
  buffered = 0;
  onWrite: (message: Received) => void = () => undefined;
  onClose: (code: CloseCode) => void = () => undefined;

  write(frames: FrameChain): number {
    for (const frame of frames.frames()) {
      const { text, cursor } = frame as RecordedFrame;
      const message = { ...(JSON.parse(text) as Message), cursor };
      this.messages.push(message);
      this.events.push(`message ${message.seq}`);
      this.cursor = cursor;
      this.onWrite(message);
    }
    return this.buffered;
  }

  position(cursor: string): void {
    this.positions.push(cursor);
    this.events.push(`position ${cursor}`);
    this.cursor = cursor;
  }

  gap(info: GapInfo): void {
    this.gaps.push(info);
    this.events.push(`gap ${info.reason}`);
  }

  degraded(info: DegradedInfo): void {
    this.degradations.push(info);
  }

  drain(reconnectInMs: number): void {
    this.drains.push(reconnectInMs);
  }

  expiring({ expiresInMs }: ExpiringInfo): void {
    this.expirations.push(expiresInMs);
  }

  bufferedBytes(): number {
    return this.buffered;
  }

  close(code: CloseCode): void {
    this.closes.push(code);
    this.onClose(code);
  }

  seqs(topic?: string): number[] {
    return this.messages
      .filter((message) => topic === undefined || message.topic === topic)
      .map(({ seq }) => seq);
  }

  /** The seq of one stream in each message's cursor. */
  cursorSeqs(stream: string): (number | undefined)[] {
    return this.messages.map(({ cursor }) => seqIn(cursor, stream));
  }
}

/** The seq of a stream in a cursor. */
export function seqIn(cursor: string, stream: string): number | undefined {
  return parseCursor(cursor)?.get(stream)?.seq;
}

export type LogCall = 'append' | 'check' | 'rotate' | 'range' | 'lastValues';

/** The log in memory with its hands tied where a spec wants it. */
export class ControlledLog extends MemoryStreamLog {
  /** What has been asked of the log, e.g. `range news 1 512`. */
  readonly calls: string[] = [];
  /** What these calls fail with. */
  readonly failures = new Map<LogCall, Error>();
  /** `drop`: announcements are lost. `keep`: they wait in {@link kept}. */
  announcements: 'pass' | 'drop' | 'keep' = 'pass';
  readonly kept: LogBatch[] = [];
  /** Changes what a check tells. */
  changeTop: (top: LogTop) => LogTop = (top) => top;
  /** Awaited before a call is answered, with the log's answer already made. */
  beforeAnswer: (call: LogCall) => Promise<void> | void = () => undefined;
  #follower: LogListener | undefined;

  get follower(): LogListener {
    if (this.#follower === undefined) throw new Error('nobody follows the log');
    return this.#follower;
  }

  countOf(call: LogCall): number {
    return this.calls.filter((line) => line.split(' ', 1)[0] === call).length;
  }

  override follow(listener: LogListener): void {
    this.#follower = listener;
    super.follow({
      batch: (batch) => {
        if (this.announcements === 'pass') listener.batch(batch);
        else if (this.announcements === 'keep') this.kept.push(batch);
      },
      interrupted: (stream) => listener.interrupted(stream),
      resumed: (stream) => listener.resumed(stream),
    });
  }

  /** Announces what was kept, and all that comes. */
  announceKept(): void {
    this.announcements = 'pass';
    for (const batch of this.kept.splice(0)) this.follower.batch(batch);
  }

  override async check(stream: string, ownSeq: number): Promise<LogTop> {
    return this.changeTop(await this.#answer('check', `${stream} ${ownSeq}`, super.check(stream, ownSeq)));
  }

  override rotate(stream: string, expected: string | null): Promise<string> {
    return this.#answer('rotate', stream, super.rotate(stream, expected));
  }

  override range(stream: string, from: number, to: number, limit: number): Promise<LogEntry[]> {
    return this.#answer('range', `${stream} ${from} ${to}`, super.range(stream, from, to, limit));
  }

  override lastValues(stream: string): Promise<LogEntry[]> {
    return this.#answer('lastValues', stream, super.lastValues(stream));
  }

  async #answer<T>(call: LogCall, args: string, answer: Promise<T>): Promise<T> {
    this.calls.push(`${call} ${args}`);
    const value = await answer;
    await this.beforeAnswer(call);
    const failure = this.failures.get(call);
    if (failure !== undefined) throw failure;
    return value;
  }
}

/** A door that holds whoever comes to it until it is opened. */
export class Gate {
  readonly #opened: Promise<void>;
  open: () => void = () => undefined;
  /** How many have come to it. */
  arrived = 0;

  constructor() {
    this.#opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  pass(): Promise<void> {
    this.arrived += 1;
    return this.#opened;
  }

  async reached(what: string): Promise<void> {
    await until(what, () => this.arrived > 0);
  }
}

const RETENTION = {
  maxMessages: 100_000,
  maxAgeMs: 3_600_000,
  maxBytes: 268_435_456,
  maxKeys: 10_000,
  read: 'granted',
  write: 'granted',
  archive: false,
} as const;

/** One stream of each class. */
export const STREAMS: readonly StreamConfig[] = [
  { ...RETENTION, name: 'market', class: 'state' },
  { ...RETENTION, name: 'news', class: 'log' },
  { ...RETENTION, name: 'signals', class: 'ledger' },
];

export const LIMITS: HubLimits = {
  connectionBudgetBytes: 1_048_576,
  windowBytes: 1_048_576,
  topicsPerConnection: 10,
  topicsPerAnonymousConnection: 10,
  recoveryMaxMessages: 10_000,
  flushWindowMs: 0,
  concurrentBackfills: 4,
  topCheckMs: 60_000,
};

/** A hub over a log in memory, with what a spec needs to drive it. */
export class TestHub {
  readonly log: ControlledLog;
  readonly hub: Hub;
  readonly publisher: Publisher;
  #connections = 0;

  private constructor(
    streams: readonly StreamConfig[],
    limits: Partial<HubLimits>,
    clock: Clock | undefined,
  ) {
    this.log = new ControlledLog({ streams: new Map(streams.map((stream) => [stream.name, stream])) });
    this.hub = new Hub({
      streams,
      log: this.log,
      logger: silentLogger,
      limits: { ...LIMITS, ...limits },
      ...(clock === undefined ? {} : { clock }),
    });
    this.publisher = new Publisher({ hub: this.hub, log: this.log, maxMessageBytes: 1_000 });
  }

  /** @param options.before fills the log before the hub follows it */
  static async start(
    options: {
      streams?: readonly StreamConfig[];
      limits?: Partial<HubLimits>;
      before?: (log: ControlledLog) => Promise<void>;
      clock?: Clock;
    } = {},
  ): Promise<TestHub> {
    const { streams = STREAMS, limits = {}, before, clock } = options;
    const test = new TestHub(streams, limits, clock);
    await before?.(test.log);
    test.hub.start();
    await test.hub.whenLive();
    return test;
  }

  async stop(): Promise<void> {
    for (const subscriber of [...this.hub.subscribers.values()]) this.hub.detach(subscriber);
    this.hub.stop();
    await this.log.close();
  }

  connect(): { sink: RecordingSink; subscriber: Subscriber } {
    const sink = new RecordingSink();
    this.#connections += 1;
    return { sink, subscriber: this.hub.attach(`c${this.#connections}`, sink) };
  }

  /** Appends one message, `data` being its JSON, and waits until the hub has it. @returns its seq */
  async publish(topic: string, data: unknown = null): Promise<number> {
    const { seq } = await this.publisher.publish({ topic, data: JSON.stringify(data) });
    const [stream = ''] = topic.split(':');
    await this.reached(stream, seq);
    return seq;
  }

  /** Appends messages with the data 1, 2, 3, …, to these topics in turn, and waits until the hub has them. */
  async publishMany(count: number, ...topics: string[]): Promise<void> {
    const items = Array.from({ length: count }, (_, i) => ({
      topic: topics[i % topics.length]!,
      data: String(i + 1),
    }));
    const results = await this.publisher.publishAll(items);
    for (const [i, result] of results.entries()) {
      if (!result.ok) throw new Error(result.error.message);
      await this.reached(items[i]!.topic.split(':')[0]!, result.seq);
    }
  }

  async reached(stream: string, seq: number): Promise<void> {
    const { tail } = this.hub.stream(stream);
    // Nearly always it takes one turn of the loop.
    for (let i = 0; i < 20 && tail.last < seq; i++) await nextTurn();
    if (tail.last < seq) await until(`${stream} has reached ${seq}`, () => tail.last >= seq);
    // What waits for the end of the turn is written now.
    for (const subscriber of this.hub.subscribers.values()) subscriber.flush();
  }

  cursor(stream: string, seq: number): string {
    return `${stream}.${this.hub.stream(stream).tail.epoch}.${seq}`;
  }
}

/** Lets everything happen that needs no timer: the log in memory announces in the turn after an append. */
export async function settle(turns = 6): Promise<void> {
  for (let i = 0; i < turns; i++) await nextTurn();
}

/** Options of a `subscribe` that keep what was planned. */
export function planned(): {
  onPlanned: (result: SubscribeAnswer) => void;
  readonly results: SubscribeAnswer[];
} {
  const results: SubscribeAnswer[] = [];
  return { results, onPlanned: (result) => void results.push(result) };
}

/** The error that a call fails with. */
export async function failureOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}
