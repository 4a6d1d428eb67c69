/** How a program of this package is told to stop: by SIGTERM, or by SIGINT from a keyboard. */
import type { Logger } from './logger.js';

/**
 * Listens for SIGTERM and SIGINT, from now on. The first one asks the program to stop; a second one, or a program that has
 * not ended by itself in time, ends the process at once with exit code 1. All of it is said in the log.
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
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return stopping.signal;
}
