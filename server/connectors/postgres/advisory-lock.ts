import type { Logger } from '../../logger.js';
import type { Postgres } from '../../postgres/connection.js';
import { sleep } from '../../time/backoff.js';

const POLL_MS = 250;

/**
 * Resolves when this session holds an advisory lock, which it keeps until it ends.
 *
 * @throws Error when `signal` aborts.
 */
export async function waitForLock(
  client: Postgres,
  lock: number,
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [lock]);
    if (rows[0]?.held === true) return;
    if (attempt === 0) logger.info('connector: another one is running; waiting to take over');
    await sleep(POLL_MS, signal);
  }
}
