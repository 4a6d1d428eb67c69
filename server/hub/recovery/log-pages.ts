import { LRUCache } from 'lru-cache';
import type { LogEntry, StreamLog } from '../../log/stream-log.js';
import { StreamMessage } from '../tail/stream-message.js';
import type { TailPosition } from '../tail/tail-ports.js';

const PAGE = 512;
const CACHE_MAX_BYTES = 32 * 1024 * 1024;
const CACHE_MS = 10_000;
/** Keys of pages that are remembered, in all. */
const MAX_KEYS = 200_000;
const KEYS_MS = 5 * 60_000;

/** A page of a stream's log. */
class LogPage {
  /** The first and the last seq that it covers. */
  readonly from: number;
  readonly to: number;
  readonly #stream: string;
  readonly #entries: readonly LogEntry[];
  readonly #messages: (StreamMessage | undefined)[] = [];

  constructor(
    stream: string,
    { from, to, entries }: { from: number; to: number; entries: readonly LogEntry[] },
  ) {
    this.#stream = stream;
    this.from = from;
    this.to = to;
    this.#entries = entries;
  }

  /** Its messages are numbered from 0, ascending by seq. Those that were trimmed are missing. */
  get length(): number {
    return this.#entries.length;
  }

  seqAt(i: number): number | undefined {
    return this.#entries[i]?.seq;
  }

  keyAt(i: number): string | undefined {
    return this.#entries[i]?.key;
  }

  /** A message; made once, for all who read the page. */
  message(i: number): StreamMessage {
    this.#messages[i] ??= new StreamMessage(this.#stream, this.#entries[i]!);
    return this.#messages[i];
  }

  /** The keys that occur in it. */
  keys(): ReadonlySet<string> {
    return new Set(this.#entries.map(({ key }) => key));
  }

  /** Roughly what it weighs in memory, bytes. */
  get weight(): number {
    return this.#entries.reduce((sum, { key, data }) => sum + 200 + key.length + data.length, 1);
  }
}

/**
 * Reads of what is older than a recent window. Reads are cut at fixed pages, so that a thousand connections that
 * return with a thousand different cursors share a few reads of the log.
 *
 * Of pages that were read it is remembered for longer which keys are in them: whoever looks for a rare key passes over
 * the others. An index by key in the log would answer {@link passed} for pages that nobody has read.
 */
export class LogPages {
  readonly #log: Pick<StreamLog, 'range'>;
  readonly #inFlight = new Map<string, Promise<LogPage>>();
  readonly #cache = new LRUCache<string, LogPage>({
    maxSize: CACHE_MAX_BYTES,
    sizeCalculation: ({ weight }) => weight,
    ttl: CACHE_MS,
    // Without it they would stay until they are asked for again.
    ttlAutopurge: true,
  });
  /** By the key of a page, complete ones only: more may be removed from them, but nothing is added. */
  readonly #keys = new LRUCache<string, ReadonlySet<string>>({
    maxSize: MAX_KEYS,
    sizeCalculation: ({ size }) => size,
    ttl: KEYS_MS,
  });
  /** Range reads actually made. */
  reads = 0;

  constructor(log: Pick<StreamLog, 'range'>) {
    this.#log = log;
  }

  /**
   * The page that has `seq`, cut at the tail's last message.
   *
   * @returns `read`: how many messages the log was asked for, by this caller
   */
  async read(tail: TailPosition, seq: number): Promise<{ page: LogPage; read: number }> {
    const { from, to, name } = pageOf(tail, seq);
    const cached = this.#cache.get(name);
    if (cached !== undefined) return { page: cached, read: 0 };
    const shared = this.#inFlight.get(name);
    if (shared !== undefined) return { page: await shared, read: 0 };
    const reading = this.#read(tail.stream, from, to, name);
    this.#inFlight.set(name, reading);
    const page = await reading;
    return { page, read: page.length };
  }

  /**
   * Where to go on if the page that has `seq` is known to have no message of these keys: the first and the last seq
   * that it covers.
   */
  passed(
    tail: TailPosition,
    seq: number,
    keys: ReadonlySet<string>,
  ): { readonly from: number; readonly to: number } | undefined {
    const { from, to, name } = pageOf(tail, seq);
    const known = this.#keys.get(name);
    return known === undefined || [...keys].some((key) => known.has(key)) ? undefined : { from, to };
  }

  async #read(stream: string, from: number, to: number, name: string): Promise<LogPage> {
    this.reads += 1;
    try {
      const page = new LogPage(stream, { from, to, entries: await this.#log.range(stream, from, to, PAGE) });
      this.#cache.set(name, page);
      if (page.length > 0 && to === from + PAGE - 1) this.#keys.set(name, page.keys());
      return page;
    } finally {
      this.#inFlight.delete(name);
    }
  }
}

function pageOf({ stream, epoch, last }: TailPosition, seq: number) {
  const from = Math.floor((seq - 1) / PAGE) * PAGE + 1;
  const to = Math.min(from + PAGE - 1, last);
  return { from, to, name: `${stream} ${epoch} ${from} ${to}` };
}
