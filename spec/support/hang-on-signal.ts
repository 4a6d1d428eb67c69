/**
 * Loaded into a node by a spec (`node --import`): after SIGUSR2 the event loop of the process does not turn again. The
 * product has no such thing.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread) process.on('SIGUSR2', hang);

/** Has a name of its own, which the report of the watchdog should show. */
function hang(): void {
  for (let turns = 0; ; turns += 1) Math.sqrt(turns);
}
