/** Connections to PostgreSQL. Only this file imports the driver. */
import pg from 'pg';
import type { Logger } from '../logger.js';

/** One connection. */
export type Postgres = pg.Client;

const CONNECT_TIMEOUT_MS = 5_000;
/** A server that is gone without a word is noticed after about so long. */
const KEEPALIVE_MS = 10_000;

export interface PostgresOptions {
  /** `postgres://…` */
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly application: string;
  readonly logger: Logger;
  /** Called once when the connection is lost; queries that are under way are rejected by themselves. */
  readonly onLost?: (error: Error) => void;
  readonly replication?: 'database';
}

/** Connects. @throws Error where the server cannot be reached within 5 s or refuses. */
export async function connectPostgres(options: PostgresOptions): Promise<Postgres> {
  const { url, application, logger, onLost, replication } = options;
  const client = new pg.Client({
    connectionString: url,
    application_name: application,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    ...(replication === undefined ? {} : { replication }),
  });
  client.on('error', (error: Error) => {
    logger.debug({ error: error.message }, 'postgres: connection error');
    onLost?.(error);
  });
  client.on('end', () => onLost?.(new Error('the connection to PostgreSQL has ended')));
  await client.connect();
  return client;
}

/** Runs `work` in a transaction. @throws what `work` throws, after a rollback. */
export async function inTransaction<T>(client: Postgres, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Without a connection the server rolls back by itself.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Several connections that are made when they are needed, and made again. */
export type PostgresPool = pg.Pool;

const POOL_SIZE = 4;
const STATEMENT_TIMEOUT_MS = 10_000;

/** For readers. Nothing is connected before the first query. */
export function createPool({ url, application, logger }: PostgresOptions): PostgresPool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: application,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    max: POOL_SIZE,
  });
  pool.on('error', (error) =>
    logger.debug({ error: error.message }, 'postgres: a resting connection failed'),
  );
  return pool;
}
