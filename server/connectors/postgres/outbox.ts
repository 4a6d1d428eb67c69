/**
 * The transactional outbox: rows that `hub_publish` wrote become messages.
 *
 * One connector works at a time (its session holds an advisory lock); others wait to take over. It assigns positions to
 * the committed rows, in the order of their identity column, and commits these before it sends anything: rows of
 * concurrent transactions become visible out of order, so the identity column cannot serve as a high-water mark. Then
 * it sends the rows by position and marks them. If it is killed in between, the next one sends the same rows again with
 * the same positions.
 *
 * NOTIFY wakes it; polling covers notifications that were lost with a connection.
 */

import type { Logger } from '../../logger.js';
import { connectPostgres, type Postgres } from '../../postgres/connection.js';
import { migrate } from '../../postgres/migrations.js';
import { keepRunning, type Surroundings } from '../keep-running.js';
import { type SourceMessage, SourceWriter, type SourceWriterOptions } from '../source-writer.js';
import { waitForLock } from './advisory-lock.js';
import { sourceIdentity } from './identity.js';

/** An arbitrary number: the active outbox connector holds this advisory lock. */
const OUTBOX_LOCK = 7_206_126;
const CLEAN_EVERY_MS = 30_000;
const CLEAN_BATCH = 10_000;
/** A position as text, padded so that texts sort in the order of the numbers. */
const POSITION_DIGITS = 20;

export interface OutboxOptions extends Surroundings, Omit<SourceWriterOptions, 'source'> {
  readonly url: string;
  readonly pollMs: number;
  readonly batch: number;
  /** Age at which published rows are deleted. */
  readonly keepMs: number;
}

interface Row {
  readonly position: string;
  readonly topic: string;
  readonly data: string;
  readonly age: number;
}

/** Publishes the rows of the outbox until `signal` aborts. */
export function runOutbox(options: OutboxOptions): Promise<void> {
  return keepRunning(options, async (works) => {
    const outbox = new Outbox(options);
    try {
      await outbox.run(works);
    } finally {
      await outbox.close();
    }
  });
}

class Outbox {
  readonly #options: OutboxOptions;
  readonly #logger: Logger;
  /** Aborts when the connection is lost or the process is to end. */
  readonly #ending = new AbortController();
  readonly #onAbort = () => this.#ending.abort(new Error('stopped'));
  #client: Postgres | undefined;
  #notified = false;
  #wake: () => void = () => undefined;
  #nextCleaning = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#logger = options.logger;
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  async run(works: () => void): Promise<void> {
    const { url, logger, batch } = this.#options;
    const { signal } = this.#ending;
    const client = await connectPostgres({
      url,
      application: 'axiom-outbox',
      logger,
      onLost: (error) => this.#ending.abort(error),
    });
    this.#client = client;
    const applied = await migrate(client, new URL('migrations/', import.meta.url));
    if (applied.length > 0) logger.info({ applied }, 'outbox: the schema was migrated');
    await waitForLock(client, OUTBOX_LOCK, signal, logger);
    const source = `outbox:${await sourceIdentity(client)}`;
    const writer = new SourceWriter({ ...this.#options, source });
    client.on('notification', () => {
      this.#notified = true;
      this.#wake();
    });
    await client.query('LISTEN hub_outbox');
    logger.info({ source }, 'outbox: publishing');
    works();
    for (;;) {
      signal.throwIfAborted();
      this.#notified = false;
      const numbered = await this.#number(client);
      const sent = await this.#send(client, writer);
      works();
      await this.#clean(client);
      if (numbered < batch && sent < batch) await this.#rest();
    }
  }

  async close(): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    await this.#client?.end().catch(() => undefined);
  }

  /** Assigns positions to committed rows, and commits these. @returns how many */
  async #number(client: Postgres): Promise<number> {
    const { rowCount } = await client.query(
      `WITH fresh AS (
         SELECT n, row_number() OVER (ORDER BY n) AS place
         FROM (SELECT n FROM hub.outbox WHERE position IS NULL ORDER BY n LIMIT $1) AS first
       ), moved AS (
         UPDATE hub.outbox_state SET position = position + (SELECT count(*) FROM fresh)
         WHERE EXISTS (SELECT FROM fresh)
         RETURNING position - (SELECT count(*) FROM fresh) AS before
       )
       UPDATE hub.outbox o SET position = moved.before + fresh.place
       FROM fresh, moved WHERE o.n = fresh.n`,
      [this.#options.batch],
    );
    return rowCount ?? 0;
  }

  /** Sends the rows that have a position, and marks them. @returns how many */
  async #send(client: Postgres, writer: SourceWriter): Promise<number> {
    const { batch, metrics } = this.#options;
    const { rows } = await client.query<Row>(
      `SELECT position::text, topic, data::text,
              extract(epoch FROM clock_timestamp() - created)::float8 AS age
       FROM hub.outbox WHERE position IS NOT NULL AND published IS NULL AND refused IS NULL
       ORDER BY hub.outbox.position LIMIT $1`,
      [batch],
    );
    metrics.lag(rows[0]?.age ?? 0);
    metrics.backlog('rows', rows.length);
    if (rows.length === 0) return 0;
    const messages = rows.map(
      ({ position, topic, data }): SourceMessage => ({
        topic,
        data,
        position: position.padStart(POSITION_DIGITS, '0'),
      }),
    );
    const refused = await writer.write(messages, this.#ending.signal);
    for (const [index, { code, message }] of refused) {
      this.#logger.error(
        { position: rows[index]!.position, topic: rows[index]!.topic, code, message },
        'outbox: a message was refused and is set aside',
      );
    }
    const done = rows.filter((_, i) => !refused.has(i)).map(({ position }) => position);
    await client.query(
      'UPDATE hub.outbox SET published = clock_timestamp() WHERE position = ANY($1::bigint[])',
      [done],
    );
    if (refused.size > 0) {
      await client.query(
        `UPDATE hub.outbox SET refused = why FROM unnest($1::bigint[], $2::text[]) AS r (at, why)
         WHERE position = at`,
        [
          [...refused.keys()].map((index) => rows[index]!.position),
          [...refused.values()].map(({ code, message }) => `${code}: ${message}`),
        ],
      );
    }
    return rows.length;
  }

  async #clean(client: Postgres): Promise<void> {
    if (performance.now() < this.#nextCleaning) return;
    const { rowCount } = await client.query(
      `DELETE FROM hub.outbox WHERE n IN (
         SELECT n FROM hub.outbox WHERE published < clock_timestamp() - $1 * interval '1 ms' LIMIT $2)`,
      [this.#options.keepMs, CLEAN_BATCH],
    );
    // Rows beyond one batch are deleted in the next round.
    if ((rowCount ?? 0) < CLEAN_BATCH) this.#nextCleaning = performance.now() + CLEAN_EVERY_MS;
  }

  /** Waits for the next notification, poll or end. */
  async #rest(): Promise<void> {
    if (this.#notified) return;
    const { signal } = this.#ending;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(end, this.#options.pollMs);
      signal.addEventListener('abort', end, { once: true });
      this.#wake = end;
      if (signal.aborted) end();
    });
  }
}
