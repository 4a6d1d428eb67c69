/** Stops a program of this package on SIGTERM, on SIGINT from a keyboard, or when its terminal is closed. */
import type { Logger } from './logger.js';

/**
 * Listens for SIGTERM, SIGINT and SIGHUP from now on. The first one asks the program to stop. If a second one comes, or the
 * program has not ended in time, the process ends at once with exit code 1. The log says so.
 *
 * @param deadlineMs from the first signal to the end of the process
 * @returns aborts at the first signal
 */
export function stopSignal(logger: Logger, deadlineMs: number): AbortSignal {
  const stopping = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) {
      logger.error({ signal }, 'process: a second signal came before it had stopped; it is ended at once');
      process.exit(1);
    }
    logger.info({ signal }, 'process: stopping');
    setTimeout(() => {
      logger.error({ deadlineMs }, 'process: it did not stop in time and is ended');
      process.exit(1);
    }, deadlineMs).unref();
    stopping.abort(new Error(`stopped by ${signal}`));
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop);
  return stopping.signal;
}
