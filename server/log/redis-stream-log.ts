/**
 * The stream log in Redis. A stream's keys share one hash tag, so that Redis Cluster keeps them in one slot:
 * `{market}:log` (a Redis stream with the ids `<seq>-0`), `{market}:meta` (epoch, seq, positions of sources, counters),
 * `{market}:last` (newest value by key), `{market}:marks` (where the log is trimmed by bytes), `{market}:owners` (who
 * created which key), `{market}:used:<name>` (what a subject has in the log, if that is limited), `{market}:id:<name>`
 * (idempotency, expiring; the name stands for subject, key and id) and `{market}:ids` (how many of these there are).
 *
 * Group commit: appends to one stream that arrive within one turn of the event loop share one script call and one
 * PUBLISH. One call for each append would cost Redis five times the CPU and gain nothing: the publisher waits for one
 * round trip either way.
 */
import { HubError } from '../errors.js';
import { isNotTaken, loadScript, type RedisLink, type Reply, type Script } from '../redis/redis-link.js';
import {
  type AppendCall,
  type AppendTarget,
  appendCall,
  appendScript,
  groups,
  type Waiting,
} from './append-call.js';
import { newEpoch } from './epoch.js';
import { decodePayload } from './payload.js';
import type { PayloadInbox } from './payload-inbox.js';
import { appendResult, lastValues, list, logEntry } from './redis-replies.js';
import type {
  AppendEntry,
  AppendResult,
  Cleared,
  LogEntry,
  LogListener,
  LogTop,
  Retention,
  StreamLog,
} from './stream-log.js';

const CHECK = loadScript(import.meta.url, 'retaining.lua', 'check.lua');
const ROTATE = loadScript(import.meta.url, 'retaining.lua', 'rotate.lua');
const CLEAR = loadScript(import.meta.url, 'retaining.lua', 'clear.lua');
const RESTORE = loadScript(import.meta.url, 'restore.lua');

/** Last values that one call of a script puts back, during which Redis serves nobody else: bytes, and keys and values. */
const RESTORED_BYTES = 1024 * 1024;
const RESTORED_ARGS = 1_024;

/** Bytes that may wait for Redis on one node, over all streams; publishes beyond this are refused. */
const WAITING_MAX_BYTES = 64 * 1024 * 1024;

interface StreamState extends AppendTarget {
  readonly script: Script;
  readonly keys: readonly [log: string, meta: string, last: string, marks: string, owners: string];
  /** The value of {@link RedisLink.life} that the follower was last told about. */
  life: string | undefined;
  queue: Waiting[];
  scheduled: boolean;
  /** Set while script calls are being resent by their text; the queue waits, so that nothing overtakes them. */
  resending: Promise<void> | undefined;
}

export interface RedisStreamLogOptions {
  readonly link: RedisLink;
  readonly streams: ReadonlyMap<string, Retention>;
  /** The Socket.IO adapter's channel of a stream's room. */
  readonly channelOf: (stream: string) => string;
}

export class RedisStreamLog implements StreamLog, PayloadInbox {
  readonly #link: RedisLink;
  readonly #streams = new Map<string, StreamState>();
  #waitingBytes = 0;
  #listener: LogListener | undefined;
  #live = false;

  constructor({ link, streams, channelOf }: RedisStreamLogOptions) {
    this.#link = link;
    for (const [name, retention] of streams) {
      const tag = `{${name}}`;
      this.#streams.set(name, {
        name,
        retention,
        keys: [`${tag}:log`, `${tag}:meta`, `${tag}:last`, `${tag}:marks`, `${tag}:owners`],
        channel: channelOf(name),
        script: appendScript(retention, link.isCluster),
        life: undefined,
        queue: [],
        scheduled: false,
        resending: undefined,
      });
    }
    link.on('changed', () => {
      if (this.#live) this.#tellChanges();
    });
  }

  get available(): boolean {
    return this.#link.commandsReady;
  }

  async append(name: string, entries: readonly AppendEntry[]): Promise<AppendResult[]> {
    const stream = this.#stream(name);
    if (!this.#link.ready(stream.keys[0])) throw new HubError('log_unavailable', 'Redis is unreachable');
    const bytes = entries.reduce((sum, { key, data }) => sum + key.length + data.length, 0);
    if (this.#waitingBytes + bytes > WAITING_MAX_BYTES) {
      throw new HubError('overloaded', `${this.#waitingBytes} bytes are already waiting for Redis`);
    }
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      stream.queue.push({ entries, bytes, resolve, reject });
      this.#schedule(stream);
    });
  }

  async check(name: string, ownSeq: number): Promise<LogTop> {
    const { keys, retention } = this.#stream(name);
    const reply = await this.#link.run(
      CHECK,
      [...keys],
      [String(ownSeq), String(retention.maxAgeMs), this.#inCluster],
    );
    const [epoch, top, first, own, server, tombstone, oldest, ended, keyCount, lost] = list(reply);
    return {
      epoch: epoch === null ? null : String(epoch),
      top: Number(top),
      first: Number(first),
      own: own === null || own === undefined ? null : logEntry(ownSeq, list(own)),
      oldest: Number(oldest),
      ended: Number(ended),
      keys: Number(keyCount),
      ...(lost === 'messages' || lost === 'values' ? { lost } : {}),
      ...(tombstone ? { tombstone: Number(tombstone) } : {}),
      ...(server ? { server: String(server) } : {}),
    };
  }

  async rotate(name: string, expected: string | null): Promise<string> {
    return String(await this.#link.run(ROTATE, [...this.#stream(name).keys], [expected ?? '', newEpoch()]));
  }

  async range(name: string, from: number, to: number, limit: number): Promise<LogEntry[]> {
    const [log] = this.#stream(name).keys;
    if (to < from) return [];
    const reply = await this.#link.command(
      ['XRANGE', log, `${from}-0`, `${to}-0`, 'COUNT', String(limit)],
      5_000,
    );
    return list(reply).map((item) => {
      const [id, fields] = list(item);
      return logEntry(Number.parseInt(String(id), 10), list(fields));
    });
  }

  async lastValues(name: string): Promise<LogEntry[]> {
    const fields = list(await this.#link.command(['HGETALL', this.#stream(name).keys[2]], 5_000));
    return lastValues(fields);
  }

  async restore(
    name: string,
    epoch: string,
    tombstone: number,
    values: readonly LogEntry[],
  ): Promise<number> {
    const keys = [...this.#stream(name).keys];
    let restored = 0;
    let args: string[] = [];
    let bytes = 0;
    for (const [i, { key, seq, time, data }] of values.entries()) {
      args.push(key, `${seq} ${time} ${data}`);
      bytes += key.length + data.length;
      if (bytes < RESTORED_BYTES && args.length < RESTORED_ARGS && i < values.length - 1) continue;
      restored += Number(await this.#link.run(RESTORE, keys, [epoch, String(tombstone), ...args]));
      args = [];
      bytes = 0;
    }
    return restored;
  }

  async clear(name: string): Promise<Cleared> {
    const { keys, channel } = this.#stream(name);
    const reply = await this.#link.run(CLEAR, [...keys], [channel, newEpoch(), this.#inCluster]);
    const [epoch, cleared] = list(reply);
    return { epoch: String(epoch), keys: Number(cleared) };
  }

  follow(listener: LogListener): void {
    this.#listener = listener;
  }

  async live(): Promise<void> {
    await this.#link.subscriptionsLive();
    this.#live = true;
    for (const stream of this.#streams.values()) stream.life = this.#link.life(stream.keys[0]);
    this.#listener?.resumed();
  }

  receive(name: string, payload: Buffer): void {
    this.#listener?.batch(decodePayload(this.#stream(name).name, payload));
  }

  async close(): Promise<void> {
    this.#listener = undefined;
  }

  /** Tells the follower for which streams announcements stopped, resumed, or now come over another connection. */
  #tellChanges(): void {
    const stopped: string[] = [];
    const began: string[] = [];
    for (const stream of this.#streams.values()) {
      const life = this.#link.life(stream.keys[0]);
      if (life === stream.life) continue;
      stream.life = life;
      (life === undefined ? stopped : began).push(stream.name);
    }
    const tell = (names: readonly string[], of: (name?: string) => void) => {
      if (names.length === this.#streams.size) of();
      else for (const name of names) of(name);
    };
    tell(stopped, (name) => this.#listener?.interrupted(name));
    tell(began, (name) => this.#listener?.resumed(name));
  }

  get #inCluster(): string {
    return this.#link.isCluster ? '1' : '';
  }

  #stream(name: string): StreamState {
    const stream = this.#streams.get(name);
    if (stream === undefined) throw new HubError('unknown_stream', `There is no stream "${name}"`);
    return stream;
  }

  async #commit(stream: StreamState, group: readonly Waiting[]): Promise<void> {
    const spareEpoch = newEpoch();
    try {
      const [epoch, time, ...replies] = list(
        await this.#append(stream, appendCall(stream, spareEpoch, group)),
      );
      // Streams have an epoch from when they are first read on: it is used where that, or the log, is gone.
      if (epoch === spareEpoch) this.#listener?.lostByAppend?.(stream.name);
      const results = replies.map((reply) => appendResult(reply, String(epoch), Number(time)));
      let next = 0;
      for (const waiting of group) {
        waiting.resolve(results.slice(next, next + waiting.entries.length));
        next += waiting.entries.length;
      }
    } catch (error) {
      for (const waiting of group) waiting.reject(error);
    } finally {
      for (const { bytes } of group) this.#waitingBytes -= bytes;
    }
  }

  #schedule(stream: StreamState): void {
    if (stream.scheduled || stream.resending !== undefined) return;
    stream.scheduled = true;
    setImmediate(() => {
      stream.scheduled = false;
      if (stream.resending !== undefined) return;
      const queue = stream.queue;
      stream.queue = [];
      for (const group of groups(queue)) void this.#commit(stream, group);
    });
  }

  /**
   * Runs the script in the order of the calls, even when Redis does not have it (after a restart or SCRIPT FLUSH) or
   * has moved the stream to another master. Redis then refuses all calls in flight, in their order, and they are resent
   * one after the other.
   */
  async #append(stream: StreamState, { keys, args }: AppendCall): Promise<Reply> {
    try {
      return await this.#link.runKnown(stream.script, keys, args);
    } catch (error) {
      if (!isNotTaken(error)) throw error;
      const before = stream.resending ?? Promise.resolve();
      const again = before.then(() => this.#link.runText(stream.script, keys, args));
      const settled = again.then(nothing, nothing).then(() => {
        if (stream.resending !== settled) return;
        stream.resending = undefined;
        if (stream.queue.length > 0) this.#schedule(stream);
      });
      stream.resending = settled;
      return again;
    }
  }
}

function nothing(): void {
  // The outcome is reported to the caller of `append`.
}
