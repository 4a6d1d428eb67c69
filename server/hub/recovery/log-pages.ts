import { LRUCache } from 'lru-cache';
import type { StreamLog } from '../../log/stream-log.js';
import { StreamMessage } from '../tail/stream-message.js';
import type { TailPosition } from '../tail/tail-ports.js';

const PAGE = 512;
const CACHE_MAX_BYTES = 32 * 1024 * 1024;
const CACHE_MS = 10_000;

/**
 * Reads of what is older than a recent window. Reads are cut at fixed pages, so that a thousand connections that
 * return with a thousand different cursors share a few reads of the log.
 */
export class LogPages {
  readonly #log: Pick<StreamLog, 'range'>;
  readonly #inFlight = new Map<string, Promise<StreamMessage[]>>();
  readonly #cache = new LRUCache<string, StreamMessage[]>({
    maxSize: CACHE_MAX_BYTES,
    sizeCalculation: (page) => page.reduce((sum, { weight }) => sum + weight, 1),
    ttl: CACHE_MS,
    // Without it they would stay until they are asked for again.
    ttlAutopurge: true,
  });
  /** Range reads actually made. */
  reads = 0;

  constructor(log: Pick<StreamLog, 'range'>) {
    this.#log = log;
  }

  /**
   * The page that has `seq`, cut at the tail's last message.
   *
   * @returns `to`, the last seq that the page covers, and its messages; those that were trimmed are missing.
   */
  async read(tail: TailPosition, seq: number): Promise<{ to: number; messages: readonly StreamMessage[] }> {
    const from = Math.floor((seq - 1) / PAGE) * PAGE + 1;
    const to = Math.min(from + PAGE - 1, tail.last);
    const key = `${tail.stream} ${tail.epoch} ${from} ${to}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined) return { to, messages: cached };
    let read = this.#inFlight.get(key);
    if (read === undefined) {
      read = this.#read(tail.stream, from, to, key);
      this.#inFlight.set(key, read);
    }
    return { to, messages: await read };
  }

  async #read(stream: string, from: number, to: number, key: string): Promise<StreamMessage[]> {
    this.reads += 1;
    try {
      const entries = await this.#log.range(stream, from, to, PAGE);
      const messages = entries.map((entry) => new StreamMessage(stream, entry));
      this.#cache.set(key, messages);
      return messages;
    } finally {
      this.#inFlight.delete(key);
    }
  }
}
