import type { Logger } from '../logger.js';
import { Backoff } from '../time/backoff.js';
import type { ConnectorMetrics } from './metrics.js';

/** What every connector is given. */
export interface Surroundings {
  readonly logger: Logger;
  readonly metrics: ConnectorMetrics;
  /** Aborts when the process is to end. */
  readonly signal: AbortSignal;
}

/**
 * Runs `attempt` until it is stopped. When it fails, it runs again after a pause, because the source of a connector may
 * be unreachable for a while. The pause grows unless the attempt called `works`.
 */
export async function keepRunning(
  { logger, metrics, signal }: Surroundings,
  attempt: (works: () => void) => Promise<void>,
): Promise<void> {
  const backoff = new Backoff();
  while (!signal.aborted) {
    try {
      await attempt(() => {
        backoff.reset();
        metrics.up(true);
      });
    } catch (error) {
      if (signal.aborted) break;
      metrics.failed();
      logger.warn(
        { error: error instanceof Error ? error.message : String(error) },
        'connector: interrupted, trying again',
      );
    }
    metrics.up(false);
    if (!signal.aborted) await backoff.wait(signal);
  }
  metrics.up(false);
}
