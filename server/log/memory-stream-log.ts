/**
 * The in-memory stream log: the default for a single node without Redis, and the stand-in for the Redis log in specs.
 *
 * A batch is announced in a later turn of the event loop than its append, as over a network: nothing may rely on
 * whether a publisher's acknowledgement or the message's delivery comes first.
 */
import { HubError } from '../errors.js';
import { MemoryStream } from './memory-stream.js';
import type {
  AppendEntry,
  AppendResult,
  Cleared,
  LogBatch,
  LogEntry,
  LogListener,
  LogTop,
  Retention,
  StreamLog,
} from './stream-log.js';

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
    for (const [name, retention] of streams) this.#streams.set(name, new MemoryStream(retention));
  }

  async append(name: string, entries: readonly AppendEntry[]): Promise<AppendResult[]> {
    const { epoch, results, batch, traces } = this.#stream(name).append(entries, this.#now());
    if (batch.length > 0) this.#announce(batchOf(name, epoch, batch, traces));
    return results;
  }

  async check(name: string, ownSeq: number): Promise<LogTop> {
    return this.#stream(name).check(ownSeq, this.#now());
  }

  async rotate(name: string, expected: string | null): Promise<string> {
    return this.#stream(name).rotate(expected);
  }

  async range(name: string, from: number, to: number, limit: number): Promise<LogEntry[]> {
    return this.#stream(name).range(from, to, limit);
  }

  async lastValues(name: string): Promise<LogEntry[]> {
    return this.#stream(name).lastValues();
  }

  /** Nothing gets lost here. */
  async restore(name: string): Promise<number> {
    this.#stream(name);
    return 0;
  }

  async clear(name: string): Promise<Cleared> {
    const stream = this.#stream(name);
    const { top, ...cleared } = stream.clear();
    if (top !== undefined) {
      this.#announce({
        stream: name,
        epoch: cleared.epoch,
        first: top + 1,
        time: this.#now(),
        keys: [],
        data: [],
      });
    }
    return cleared;
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
