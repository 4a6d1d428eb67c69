import type {
  AppendEntry,
  AppendResult,
  Cleared,
  LogBatch,
  LogEntry,
  LogListener,
  LogTop,
  StreamLog,
} from '../../server/log/stream-log.js';

interface ModelStream {
  epoch: string | null;
  top: number;
  entries: LogEntry[];
  last: Map<string, LogEntry>;
  /** Epochs that were left, with the top at that moment. */
  former: { epoch: string; top: number }[];
}

let epochs = 0;

function nextEpoch(): string {
  epochs += 1;
  return `e${epochs.toString(36)}`;
}

/** A log that does what logs must not do: it forgets, goes back to older data, and changes its epoch. */
export class ModelLog implements StreamLog {
  available = true;
  /** Awaited before each answer. */
  beforeAnswer: () => Promise<void> = async () => undefined;
  /** What becomes of an announcement. */
  announce: (batch: LogBatch) => void = (batch) => this.listener?.batch(batch);
  listener: LogListener | undefined;
  readonly #streams: ReadonlyMap<string, ModelStream>;

  constructor(names: readonly string[]) {
    this.#streams = new Map(
      names.map((name) => [
        name,
        { epoch: null, top: 0, entries: [], last: new Map<string, LogEntry>(), former: [] },
      ]),
    );
  }

  stream(name: string): ModelStream {
    return this.#streams.get(name)!;
  }

  async append(name: string, entries: readonly AppendEntry[]): Promise<AppendResult[]> {
    const stream = this.stream(name);
    stream.epoch ??= nextEpoch();
    const { epoch } = stream;
    const first = stream.top + 1;
    const results = entries.map(({ key, data }): AppendResult => {
      stream.top += 1;
      const entry = { seq: stream.top, time: 1, key, data };
      stream.entries.push(entry);
      stream.last.set(key, entry);
      return { status: 'appended', seq: stream.top, epoch, time: 1 };
    });
    this.announce({
      stream: name,
      epoch,
      first,
      time: 1,
      keys: entries.map(({ key }) => key),
      data: entries.map(({ data }) => data),
    });
    return results;
  }

  async check(name: string, ownSeq: number): Promise<LogTop> {
    const { epoch, top, entries } = this.stream(name);
    const own = entries.find(({ seq }) => seq === ownSeq) ?? null;
    return this.#answer({ epoch, top, first: entries[0]?.seq ?? top + 1, own, oldest: 0, ended: 0 });
  }

  async rotate(name: string, expected: string | null): Promise<string> {
    const stream = this.stream(name);
    if (stream.epoch === null || stream.epoch === expected) {
      if (stream.epoch !== null) stream.former.push({ epoch: stream.epoch, top: stream.top });
      stream.epoch = nextEpoch();
    }
    return this.#answer(stream.epoch);
  }

  async range(name: string, from: number, to: number, limit: number): Promise<LogEntry[]> {
    return this.#answer(
      this.stream(name)
        .entries.filter(({ seq }) => from <= seq && seq <= to)
        .slice(0, limit),
    );
  }

  async lastValues(name: string): Promise<LogEntry[]> {
    return this.#answer([...this.stream(name).last.values()].sort((a, b) => a.seq - b.seq));
  }

  follow(listener: LogListener): void {
    this.listener = listener;
    listener.resumed();
  }

  async close(): Promise<void> {
    this.listener = undefined;
  }

  /** The oldest messages are no longer kept. Last values outlive them. */
  trim(name: string, keep: number): void {
    const stream = this.stream(name);
    stream.entries = stream.entries.slice(Math.max(0, stream.entries.length - keep));
  }

  /** Goes back to what it held `count` messages ago, its epoch too, as a replica that was behind. */
  rollBack(name: string, count: number): void {
    const stream = this.stream(name);
    stream.top = Math.max(0, stream.top - count);
    while ((stream.former.at(-1)?.top ?? 0) > stream.top) stream.epoch = stream.former.pop()!.epoch;
    stream.entries = stream.entries.filter(({ seq }) => seq <= stream.top);
    // Trimmed ones are gone for the replica too.
    stream.last = new Map(stream.entries.map((entry) => [entry.key, entry]));
  }

  async restore(): Promise<number> {
    return this.#answer(0);
  }

  async clear(name: string): Promise<Cleared> {
    const stream = this.stream(name);
    const keys = stream.last.size;
    Object.assign(stream, { epoch: nextEpoch(), entries: [], last: new Map() });
    return this.#answer({ epoch: stream.epoch!, keys });
  }

  /** Comes back empty. */
  comeBackEmpty(name: string): void {
    Object.assign(this.stream(name), { epoch: null, top: 0, entries: [], last: new Map(), former: [] });
  }

  async #answer<T>(answer: T): Promise<T> {
    await this.beforeAnswer();
    return answer;
  }
}
