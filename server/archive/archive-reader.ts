/** The archive as nodes read it. Only the archive connector writes its tables. */
import { HubError } from '../errors.js';
import type { LogEntry } from '../log/stream-log.js';
import type { Logger } from '../logger.js';
import { createPool, type PostgresPool } from '../postgres/connection.js';
import type { Archive } from './archived-log.js';

interface Row {
  readonly seq: string;
  readonly time: string;
  readonly key: string;
  readonly data: string;
}

export class PostgresArchive implements Archive {
  readonly #pool: PostgresPool;

  constructor(url: string, logger: Logger) {
    this.#pool = createPool({ url, application: 'axiom-archive-reader', logger });
  }

  async firstOf(stream: string, epoch: string, seq: number): Promise<number | undefined> {
    const { rows } = await this.#pool.query<{ first: string }>(
      'SELECT first FROM hub.archive_range WHERE stream = $1 AND epoch = $2 AND first <= $3 AND last >= $3',
      [stream, epoch, seq],
    );
    return rows[0] === undefined ? undefined : Number(rows[0].first);
  }

  async range(stream: string, epoch: string, from: number, to: number, limit: number): Promise<LogEntry[]> {
    try {
      const { rows } = await this.#pool.query<Row>(
        `SELECT seq, time, key, data FROM hub.archive
         WHERE stream = $1 AND epoch = $2 AND seq BETWEEN $3 AND $4 ORDER BY seq LIMIT $5`,
        [stream, epoch, from, to, limit],
      );
      return rows.map(({ seq, time, key, data }) => ({ seq: Number(seq), time: Number(time), key, data }));
    } catch (error) {
      throw new HubError('log_unavailable', 'the archive is unreachable', { cause: error });
    }
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
