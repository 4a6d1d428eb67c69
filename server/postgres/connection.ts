/** Connections to PostgreSQL. Only this file imports the driver. */
import pg from 'pg';
import type { Logger } from '../logger.js';

/** A connection. */
export type Postgres = pg.Client;

const CONNECT_TIMEOUT_MS = 5_000;
/** About how long it takes to notice a server that vanished without closing its connections. */
const KEEPALIVE_MS = 10_000;

export interface PostgresOptions {
  /** `postgres://…` */
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly application: string;
  readonly logger: Logger;
  /** Called once when the connection is lost; the driver itself rejects queries in progress. */
  readonly onLost?: (error: Error) => void;
  readonly replication?: 'database';
}

/** Connects. @throws Error if the server cannot be reached within 5 s or refuses. */
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
    // Without a connection the server rolls back on its own.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** A pool of connections, opened on demand and reopened when lost. */
export type PostgresPool = pg.Pool;

const POOL_SIZE = 4;
const STATEMENT_TIMEOUT_MS = 10_000;

/** Creates a pool for readers. It connects with the first query. */
export function createPool({ url, application, logger }: PostgresOptions): PostgresPool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: application,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    max: POOL_SIZE,
  });
  pool.on('error', (error) => logger.debug({ error: error.message }, 'postgres: an idle connection failed'));
  return pool;
}
