/** Stops a program of this package on SIGTERM, on SIGINT from a keyboard, or when its terminal is closed. */
import { closeSync, openSync } from 'node:fs';
import type { Logger } from './logger.js';

/**
 * Listens for SIGTERM, SIGINT and SIGHUP from now on. The first one asks the program to stop. If a second one comes, or the
 * program has not ended in time, the process ends at once with exit code 1. The log says so.
 *
 * @param deadlineMs from the first signal to the end of the process
 * @param reload what SIGHUP asks for instead; where its terminal was closed, the program stops all the same
 * @returns aborts at the first signal
 */
export function stopSignal(logger: Logger, deadlineMs: number, reload?: () => void): AbortSignal {
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
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
  process.on('SIGHUP', reload === undefined ? stop : hangUp(reload, () => stop('SIGHUP')));
  return stopping.signal;
}

/**
 * Tells the two meanings of SIGHUP apart.
 *
 * @param reload somebody sent it
 * @param leave the terminal of this process was closed
 * @returns a listener for SIGHUP
 */
export function hangUp(reload: () => void, leave: () => void): () => void {
  const hadTerminal = hasTerminal();
  return () => {
    // Windows sends it only when a console is closed.
    if (process.platform === 'win32' || (hadTerminal && !hasTerminal())) leave();
    else reload();
  };
}

/** Whether this process has a terminal that it could be stopped from. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    // There is no other way to ask; whatever the reason, it cannot be used.
    return false;
  }
}
