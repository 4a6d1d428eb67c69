/** The tables of the archive, as the connector writes them. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { LogEntry } from '../log/stream-log.js';
import { inTransaction, type Postgres } from '../postgres/connection.js';

const DAY_MS = 86_400_000;

/** How far a stream has been archived. */
export interface ArchivePosition {
  readonly epoch: string;
  readonly seq: number;
}

export class ArchiveTables {
  readonly #client: Postgres;
  readonly #days = new Set<string>();

  constructor(client: Postgres) {
    this.#client = client;
  }

  /** The position that a stream is archived up to, with the message there. */
  async position(stream: string): Promise<(ArchivePosition & { last: LogEntry | undefined }) | undefined> {
    const { rows } = await this.#client.query<{ epoch: string; seq: string }>(
      'SELECT epoch, seq FROM hub.archive_position WHERE stream = $1',
      [stream],
    );
    const [row] = rows;
    if (row === undefined) return undefined;
    const seq = Number(row.seq);
    const [last] = await this.range(stream, row.epoch, seq, seq);
    return { epoch: row.epoch, seq, last };
  }

  async range(stream: string, epoch: string, from: number, to: number): Promise<LogEntry[]> {
    const { rows } = await this.#client.query<{ seq: string; time: string; key: string; data: string }>(
      `SELECT seq, time, key, data FROM hub.archive
       WHERE stream = $1 AND epoch = $2 AND seq BETWEEN $3 AND $4 ORDER BY seq`,
      [stream, epoch, from, to],
    );
    return rows.map(({ seq, time, key, data }) => ({ seq: Number(seq), time: Number(time), key, data }));
  }

  /**
   * Writes consecutive messages and moves the position, in one transaction.
   *
   * @param before the expected position of the stream; undefined: nothing is archived
   * @throws Error if the position is another one: somebody else writes too.
   */
  async write(
    stream: string,
    epoch: string,
    entries: readonly LogEntry[],
    before: ArchivePosition | undefined,
  ): Promise<void> {
    const client = this.#client;
    const [first, last] = [entries[0]!, entries.at(-1)!];
    await this.#makePartitions(entries);
    await inTransaction(client, async () => {
      await this.#move(stream, before, { epoch, seq: last.seq });
      await copyRows(
        client,
        'COPY hub.archive (stream, epoch, seq, time, day, key, data) FROM STDIN',
        rowsOf(stream, epoch, entries),
      );
      const extended = await client.query(
        'UPDATE hub.archive_range SET last = $4 WHERE stream = $1 AND epoch = $2 AND last = $3',
        [stream, epoch, first.seq - 1, last.seq],
      );
      if (extended.rowCount === 0) {
        await client.query('INSERT INTO hub.archive_range VALUES ($1, $2, $3, $4)', [
          stream,
          epoch,
          first.seq,
          last.seq,
        ]);
      }
    });
  }

  /** Drops the days before `day` (`2026-11-24`). @returns how many days */
  async dropBefore(day: string): Promise<number> {
    const client = this.#client;
    const { rows } = await client.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = 'hub.archive'::regclass AND c.relname < $1`,
      [partitionOf(day)],
    );
    for (const { name } of rows) {
      await inTransaction(client, async () => {
        // The rest of a range begins after the last message that is dropped.
        await client.query(
          `UPDATE hub.archive_range r SET first = gone.last + 1
           FROM (SELECT stream, epoch, max(seq) AS last FROM hub."${name}" GROUP BY stream, epoch) gone
           WHERE r.stream = gone.stream AND r.epoch = gone.epoch AND r.first <= gone.last AND r.last > gone.last`,
        );
        await client.query(
          `DELETE FROM hub.archive_range r
           USING (SELECT stream, epoch, max(seq) AS last FROM hub."${name}" GROUP BY stream, epoch) gone
           WHERE r.stream = gone.stream AND r.epoch = gone.epoch AND r.last <= gone.last`,
        );
        await client.query(`DROP TABLE hub."${name}"`);
      });
      this.#days.clear();
    }
    return rows.length;
  }

  async #move(stream: string, before: ArchivePosition | undefined, to: ArchivePosition): Promise<void> {
    const moved =
      before === undefined
        ? await this.#client.query(
            'INSERT INTO hub.archive_position VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
            [stream, to.epoch, to.seq],
          )
        : await this.#client.query(
            'UPDATE hub.archive_position SET epoch = $4, seq = $5 WHERE stream = $1 AND epoch = $2 AND seq = $3',
            [stream, before.epoch, before.seq, to.epoch, to.seq],
          );
    if (moved.rowCount !== 1) throw new Error(`somebody else archives the stream ${stream}`);
  }

  async #makePartitions(entries: readonly LogEntry[]): Promise<void> {
    for (const day of new Set(entries.map(({ time }) => dayOf(time)))) {
      if (this.#days.has(day)) continue;
      await this.#client.query(
        `CREATE TABLE IF NOT EXISTS hub."${partitionOf(day)}" PARTITION OF hub.archive
         FOR VALUES FROM ('${day}') TO ('${dayOf(Date.parse(day) + DAY_MS)}')`,
      );
      this.#days.add(day);
    }
  }
}

/** The day of a time in UTC, `2026-11-24`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function partitionOf(day: string): string {
  return `archive_${day.replaceAll('-', '_')}`;
}

function* rowsOf(stream: string, epoch: string, entries: readonly LogEntry[]): Generator<string> {
  for (const { seq, time, key, data } of entries) {
    yield [stream, epoch, seq, time, dayOf(time), key, data].map(copyText).join('\t');
  }
}

/** Sends rows by COPY. @param rows lines of text as `COPY … FROM STDIN` reads them, without line ends */
async function copyRows(client: Postgres, statement: string, rows: Iterable<string>): Promise<void> {
  await pipeline(
    Readable.from(
      (function* lines() {
        for (const row of rows) yield `${row}\n`;
      })(),
      { objectMode: false },
    ),
    client.query(copyFrom(statement)),
  );
}

/** A value of a row for {@link copyRows}. */
function copyText(value: string | number): string {
  return String(value).replace(/[\\\t\n\r]/g, (char) => COPY_ESCAPES[char]!);
}

const COPY_ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};
