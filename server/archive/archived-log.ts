/**
 * A log that goes back further than the one it wraps: messages that were trimmed are read from an archive.
 *
 * Recoveries and history use it. Followers of a stream do not: the log alone sets the order, and an archive that is
 * unreachable must not disturb them.
 */

import type { LogEntry, LogTop, StreamLog } from '../log/stream-log.js';
import type { Logger } from '../logger.js';

/** Keeps messages that the log may have trimmed. */
export interface Archive {
  /** The first seq of the unbroken range that contains `seq`, or undefined if `seq` is not archived. */
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
  /** By stream: the archive's last answer. It only grows at its end, so the answer holds while it is unreachable. */
  readonly #known = new Map<string, { epoch: string; first: number; seq: number }>();

  /** @param options.streams names of the archived streams */
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

  /** The top of the log. If the archive reaches the log without a gap, `first` is the archive's. */
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
      this.#logger.warn({ stream, error: String(error) }, 'the archive does not answer');
      const known = this.#known.get(stream);
      return known?.epoch === epoch ? known.first : undefined;
    }
  }
}
