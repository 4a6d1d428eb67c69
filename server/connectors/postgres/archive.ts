/**
 * The archive: a consumer of the log that writes streams to PostgreSQL, each message once by (stream, epoch, seq).
 *
 * It needs only the log of the hub, and saves its position in the transaction that writes the messages: if it is killed
 * at any moment, it continues after the last message in the archive. It polls the log instead of listening to
 * announcements, which are lost when a connection is.
 */

import { type ArchivePosition, ArchiveTables, dayOf } from '../../archive/archive-tables.js';
import type { LogEntry, LogTop, StreamLog } from '../../log/stream-log.js';
import { connectPostgres } from '../../postgres/connection.js';
import { migrate } from '../../postgres/migrations.js';
import { sleep } from '../../time/backoff.js';
import { keepRunning, type Surroundings } from '../keep-running.js';
import { waitForLock } from './advisory-lock.js';

/** An arbitrary number: the active archive connector holds this advisory lock. */
const ARCHIVE_LOCK = 7_206_127;
const BATCH = 2_000;
const DAY_MS = 86_400_000;
const CLEAN_EVERY_MS = 60_000;

export interface ArchiveOptions extends Surroundings {
  readonly url: string;
  readonly log: Pick<StreamLog, 'check' | 'range'>;
  /** Names of the archived streams. */
  readonly streams: readonly string[];
  /** Time between two reads of the log when there is nothing new. */
  readonly pollMs: number;
  /** Days that are kept, in addition to today. */
  readonly days: number;
}

/** Archives until `signal` aborts. */
export function runArchive(options: ArchiveOptions): Promise<void> {
  return keepRunning(options, async (works) => {
    const { url, logger, signal: stopping, streams, log, pollMs, days, metrics } = options;
    const ending = new AbortController();
    const onAbort = () => ending.abort(new Error('stopped'));
    stopping.addEventListener('abort', onAbort, { once: true });
    const client = await connectPostgres({
      url,
      application: 'axiom-archive',
      logger,
      onLost: (error) => ending.abort(error),
    });
    try {
      const { signal } = ending;
      await migrate(client, new URL('migrations/', import.meta.url));
      await waitForLock(client, ARCHIVE_LOCK, signal, logger);
      const tables = new ArchiveTables(client);
      // A counter that does not exist before its first increase hides that increase.
      for (const stream of streams) metrics.missed(stream, 0);
      const archived = streams.map((stream) => new ArchivedStream(stream, { ...options, log, tables }));
      for (const stream of archived) await stream.load();
      logger.info({ streams }, 'archive: archiving');
      let nextCleaning = 0;
      for (;;) {
        signal.throwIfAborted();
        let written = 0;
        for (const stream of archived) written += await stream.step();
        metrics.backlog(
          'messages',
          archived.reduce((sum, { behind }) => sum + behind, 0),
        );
        metrics.lag(Math.max(0, ...archived.map(({ lagMs }) => lagMs)) / 1000);
        works();
        if (performance.now() >= nextCleaning) {
          nextCleaning = performance.now() + CLEAN_EVERY_MS;
          const dropped = await tables.dropBefore(dayOf(Date.now() - days * DAY_MS));
          if (dropped > 0) logger.info({ dropped }, 'archive: days beyond the retention were dropped');
        }
        if (written === 0) await sleep(pollMs, signal);
      }
    } finally {
      stopping.removeEventListener('abort', onAbort);
      await client.end().catch(() => undefined);
    }
  });
}

/** One stream that is being archived. */
class ArchivedStream {
  readonly #stream: string;
  readonly #options: ArchiveOptions & { readonly tables: ArchiveTables };
  #position: (ArchivePosition & { last: LogEntry | undefined }) | undefined;
  #warned = false;
  /** Messages that were still to be archived after the last step. */
  behind = 0;
  /** Age of the oldest message of the last batch, if more were waiting after it, ms. */
  lagMs = 0;

  constructor(stream: string, options: ArchiveOptions & { readonly tables: ArchiveTables }) {
    this.#stream = stream;
    this.#options = options;
  }

  async load(): Promise<void> {
    this.#position = await this.#options.tables.position(this.#stream);
  }

  /** Archives the next batch. @returns how many messages it had */
  async step(): Promise<number> {
    const { log, tables, metrics, logger } = this.#options;
    const stream = this.#stream;
    const before = this.#position;
    const top = await log.check(stream, before?.seq ?? 0);
    const { epoch } = top;
    if (epoch === null || this.#waitsForEpoch(top)) return 0;
    const from = await this.#start(top);
    this.behind = Math.max(0, top.top - from + 1);
    if (this.behind === 0) {
      this.lagMs = 0;
      return 0;
    }
    const entries = contiguous(await log.range(stream, from, top.top, BATCH), from);
    // Messages were trimmed in between: the next step begins with the first that is left.
    if (entries.length === 0) return 0;
    if (before?.epoch === epoch && from > before.seq + 1) {
      logger.error(
        { stream, epoch, from: before.seq + 1, to: from - 1 },
        'archive: messages were trimmed from the log before they were archived',
      );
      metrics.missed(stream, from - before.seq - 1);
    }
    this.lagMs = Date.now() - entries[0]!.time;
    await tables.write(stream, epoch, entries, before);
    const last = entries.at(-1)!;
    this.#position = { epoch, seq: last.seq, last };
    this.behind = top.top - last.seq;
    metrics.published(stream, entries.length);
    return entries.length;
  }

  /**
   * Nodes that notice that the log has lost messages begin a new epoch. Until then nothing of the stream is archived.
   */
  #waitsForEpoch({ epoch, top, first, own }: LogTop): boolean {
    const position = this.#position;
    if (position === undefined || position.epoch !== epoch) return false;
    const { seq, last } = position;
    const isOurs = top >= seq && (seq < first || last === undefined || (own !== null && isSame(own, last)));
    if (!isOurs && !this.#warned) {
      this.#options.logger.warn(
        { stream: this.#stream, epoch, seq },
        'archive: the log has lost messages that are archived; waiting for its new epoch',
      );
    }
    this.#warned = !isOurs;
    return !isOurs;
  }

  /** The seq to begin with. In a new epoch, messages that were archived in the previous one are not archived again. */
  async #start({ epoch, top, first }: LogTop): Promise<number> {
    const position = this.#position;
    if (position === undefined) return first;
    if (position.epoch === epoch) return Math.max(position.seq + 1, first);
    const { log, tables } = this.#options;
    let seq = first;
    const end = Math.min(top, position.seq);
    while (seq <= end) {
      const entries = contiguous(
        await log.range(this.#stream, seq, Math.min(end, seq + BATCH - 1), BATCH),
        seq,
      );
      const archived = await tables.range(this.#stream, position.epoch, seq, seq + BATCH - 1);
      const same = entries.findIndex((entry, i) => archived[i] === undefined || !isSame(entry, archived[i]));
      if (same >= 0) return seq + same;
      if (entries.length === 0) return seq;
      seq += entries.length;
    }
    return seq;
  }
}

/** The entries from `from` up to the first gap; none if `from` itself is missing. */
function contiguous(entries: readonly LogEntry[], from: number): LogEntry[] {
  const hole = entries.findIndex(({ seq }, i) => seq !== from + i);
  return hole < 0 ? [...entries] : entries.slice(0, hole);
}

function isSame(a: LogEntry, b: LogEntry): boolean {
  return a.seq === b.seq && a.time === b.time && a.key === b.key && a.data === b.data;
}
