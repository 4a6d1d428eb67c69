/**
 * The in-memory stream log: the default for a single node without Redis, and the stand-in for the Redis log in specs.
 *
 * A batch is announced in a later turn of the event loop than its append, as over a network: nothing may rely on
 * whether a publisher's acknowledgement or the message's delivery comes first.
 */
import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { HubError } from '../errors.js';
import { newEpoch } from './epoch.js';
import { digestOf, nameOfId } from './publication-ids.js';
import {
  type AppendEntry,
  type AppendResult,
  type Cleared,
  IDEMPOTENCY_MS,
  type LogBatch,
  type LogEntry,
  type LogListener,
  type LogTop,
  type Origin,
  type Retention,
  type StreamLog,
} from './stream-log.js';

interface MemoryStream {
  readonly retention: Retention;
  epoch: string | null;
  top: number;
  /** Seq of the newest tombstone; 0 if there is none. */
  tombstone: number;
  /** Ascending and contiguous; trimmed from the front in slices. */
  entries: LogEntry[];
  readonly last: Map<string, LogEntry>;
  /** Last position by source. */
  readonly origins: Map<string, string>;
  /** By name; ordered by expiry, which equals the order of insertion. */
  readonly ids: Map<string, { expires: number; digest: string; seq: number; time: number; epoch: string }>;
}

export interface MemoryStreamLogOptions {
  /** Retention by stream name; only these streams exist. */
  readonly streams: ReadonlyMap<string, Retention>;
  /** Default `Date.now`. */
  readonly now?: () => number;
}

export class MemoryStreamLog implements StreamLog {
  readonly available = true;
  readonly #streams = new Map<string, MemoryStream>();
  readonly #now: () => number;
  #announcements: LogBatch[] = [];
  #listener: LogListener | undefined;

  constructor({ streams, now = Date.now }: MemoryStreamLogOptions) {
    this.#now = now;
    for (const [name, retention] of streams) {
      this.#streams.set(name, {
        retention,
        epoch: null,
        top: 0,
        tombstone: 0,
        entries: [],
        last: new Map(),
        origins: new Map(),
        ids: new Map(),
      });
    }
  }

  async append(name: string, entries: readonly AppendEntry[]): Promise<AppendResult[]> {
    const stream = this.#stream(name);
    const time = this.#now();
    stream.epoch ??= newEpoch();
    const epoch = stream.epoch;
    forgetIds(stream, time);
    const batch: LogEntry[] = [];
    const traces: (string | undefined)[] = [];
    const results = entries.map((entry): AppendResult => {
      const { key, data, id, origin, trace } = entry;
      if (origin !== undefined && isPassed(stream, origin)) return { status: 'passed' };
      const name = id === undefined ? undefined : nameOfId(entry, id);
      const known = name === undefined ? undefined : stream.ids.get(name);
      if (known !== undefined) {
        if (known.digest !== digestOf(entry)) return { status: 'conflict' };
        return { status: 'duplicate', seq: known.seq, epoch: known.epoch, time: known.time };
      }
      if (data === TOMBSTONE) {
        if (!stream.last.delete(key)) return { status: 'unknown_key' };
        stream.tombstone = stream.top + 1;
      } else if (!stream.last.has(key) && stream.last.size >= stream.retention.maxKeys) {
        return { status: 'too_many_keys' };
      }
      if (origin !== undefined) stream.origins.set(origin.source, origin.position);
      stream.top += 1;
      const seq = stream.top;
      const stored: LogEntry = { seq, time, key, data };
      batch.push(stored);
      traces.push(trace);
      if (data !== TOMBSTONE) stream.last.set(key, stored);
      if (name !== undefined) {
        stream.ids.set(name, { expires: time + IDEMPOTENCY_MS, digest: digestOf(entry), seq, time, epoch });
      }
      return { status: 'appended', seq, epoch, time };
    });
    stream.entries.push(...batch);
    trim(stream, time);
    if (batch.length > 0) this.#announce(batchOf(name, epoch, batch, traces));
    return results;
  }

  async check(name: string, ownSeq: number): Promise<LogTop> {
    const stream = this.#stream(name);
    trim(stream, this.#now());
    const first = stream.entries[0]?.seq ?? stream.top + 1;
    const own = ownSeq < first ? null : (stream.entries[ownSeq - first] ?? null);
    const { epoch, top, tombstone } = stream;
    return { epoch, top, first, own, ...(tombstone > 0 ? { tombstone } : {}) };
  }

  async rotate(name: string, expected: string | null): Promise<string> {
    const stream = this.#stream(name);
    if (stream.epoch === null || stream.epoch === expected) stream.epoch = newEpoch();
    return stream.epoch;
  }

  async range(name: string, from: number, to: number, limit: number): Promise<LogEntry[]> {
    const { entries } = this.#stream(name);
    const first = entries[0]?.seq ?? 0;
    const start = Math.max(0, from - first);
    return entries.slice(start, Math.max(start, Math.min(to - first + 1, start + limit)));
  }

  async lastValues(name: string): Promise<LogEntry[]> {
    return [...this.#stream(name).last.values()].sort((a, b) => a.seq - b.seq);
  }

  async clear(name: string): Promise<Cleared> {
    const stream = this.#stream(name);
    const keys = stream.last.size;
    if (stream.epoch !== null && keys === 0 && stream.entries.length === 0) {
      return { epoch: stream.epoch, keys };
    }
    stream.epoch = newEpoch();
    stream.entries = [];
    stream.last.clear();
    stream.tombstone = 0;
    const { epoch, top } = stream;
    this.#announce({ stream: name, epoch, first: top + 1, time: this.#now(), keys: [], data: [] });
    return { epoch, keys };
  }

  follow(listener: LogListener): void {
    this.#listener = listener;
    listener.resumed();
  }

  async close(): Promise<void> {
    this.#listener = undefined;
  }

  #stream(name: string): MemoryStream {
    const stream = this.#streams.get(name);
    if (stream === undefined) throw new HubError('unknown_stream', `There is no stream "${name}"`);
    return stream;
  }

  #announce(batch: LogBatch): void {
    this.#announcements.push(batch);
    if (this.#announcements.length === 1) {
      setImmediate(() => {
        const batches = this.#announcements;
        this.#announcements = [];
        for (const batch of batches) this.#listener?.batch(batch);
      });
    }
  }
}

function batchOf(
  stream: string,
  epoch: string,
  entries: readonly LogEntry[],
  traces: readonly (string | undefined)[],
): LogBatch {
  const [head] = entries;
  return {
    stream,
    epoch,
    first: head!.seq,
    time: head!.time,
    keys: entries.map(({ key }) => key),
    data: entries.map(({ data }) => data),
    ...(traces.some(Boolean) ? { traces } : {}),
  };
}

function trim(stream: MemoryStream, now: number): void {
  const { entries, retention } = stream;
  const oldest = now - retention.maxAgeMs;
  // Trimmed in slices, as Redis does it: keeping an exact count would shift the whole array at every append.
  const slack = Math.ceil(retention.maxMessages / 10);
  let drop = entries.length > retention.maxMessages + slack ? entries.length - retention.maxMessages : 0;
  while (drop < entries.length && entries[drop]!.time < oldest) drop += 1;
  if (drop > 0) stream.entries = entries.slice(drop);
}

function isPassed({ origins }: MemoryStream, { source, position }: Origin): boolean {
  const at = origins.get(source);
  return at !== undefined && position <= at;
}

function forgetIds({ ids }: MemoryStream, now: number): void {
  for (const [id, { expires }] of ids) {
    if (expires > now) return;
    ids.delete(id);
  }
}
