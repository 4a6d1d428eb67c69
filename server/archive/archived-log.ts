/**
 * A log that goes back further than the one it wraps: what that has trimmed is read from an archive.
 *
 * Recoveries and history read here. Followers of a stream do not: its order is that of the log alone, and an
 * archive that is away must not disturb it.
 */

import type { LogEntry, LogTop, StreamLog } from '../log/stream-log.js';
import type { Logger } from '../logger.js';

/** Where messages are kept that the log may have trimmed. */
export interface Archive {
  /** The first seq of the unbroken stretch that holds `seq`, or undefined where it is not archived. */
  firstOf(stream: string, epoch: string, seq: number): Promise<number | undefined>;

  /** Entries with `from <= seq <= to`, ascending, at most `limit`. @throws HubError `log_unavailable`. */
  range(stream: string, epoch: string, from: number, to: number, limit: number): Promise<LogEntry[]>;
}

/** What recoveries and history read. */
export type ReadableLog = Pick<StreamLog, 'check' | 'range'>;

export class ArchivedLog implements ReadableLog {
  readonly #log: ReadableLog;
  readonly #archive: Archive;
  readonly #streams: ReadonlySet<string>;
  readonly #logger: Logger;
  /** By stream: what the archive last said. It grows at its end alone, so while it is away this still holds. */
  readonly #known = new Map<string, { epoch: string; first: number; seq: number }>();

  /** @param options.streams names of those that are archived */
  constructor(options: {
    log: ReadableLog;
    archive: Archive;
    streams: ReadonlySet<string>;
    logger: Logger;
  }) {
    this.#log = options.log;
    this.#archive = options.archive;
    this.#streams = options.streams;
    this.#logger = options.logger;
  }

  /** The top of the log. `first` is that of the archive where it reaches up to the log without a hole. */
  async check(stream: string, ownSeq: number): Promise<LogTop> {
    const top = await this.#log.check(stream, ownSeq);
    if (top.epoch === null || top.first <= 1 || !this.#streams.has(stream)) return top;
    const first = await this.#firstOf(stream, top.epoch, top.first - 1);
    return first === undefined ? top : { ...top, first: Math.min(first, top.first) };
  }

  async range(stream: string, from: number, to: number, limit: number): Promise<LogEntry[]> {
    const entries = await this.#log.range(stream, from, to, limit);
    const end = entries[0] === undefined ? to : entries[0].seq - 1;
    if (end < from || !this.#streams.has(stream)) return entries;
    const { epoch } = await this.#log.check(stream, 0);
    if (epoch === null) return entries;
    const older = await this.#archive.range(stream, epoch, from, end, limit);
    return [...older, ...entries].slice(0, limit);
  }

  async #firstOf(stream: string, epoch: string, seq: number): Promise<number | undefined> {
    try {
      const first = await this.#archive.firstOf(stream, epoch, seq);
      if (first !== undefined) this.#known.set(stream, { epoch, first, seq });
      return first;
    } catch (error) {
      this.#logger.warn({ stream, error: String(error) }, 'archive: it does not answer');
      const known = this.#known.get(stream);
      return known?.epoch === epoch ? known.first : undefined;
    }
  }
}
