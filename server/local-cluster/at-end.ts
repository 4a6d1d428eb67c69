/** What is done when this process ends, however it ends: by itself, by `process.exit` or by a signal. */

/** What would end this process at once, without the event `exit`, if nobody handled it. */
const ENDING: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
const actions = new Set<() => void>();

/** Newest first: a folder outlives the processes that write to it. */
function runAll(): void {
  for (const action of [...actions].reverse()) action();
}

/** Ends this process as the signal would have done. A program that handles the signal itself decides for itself. */
function endAfterwards(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  runAll();
  process.off(signal, endAfterwards);
  process.kill(process.pid, signal);
}

/**
 * Has an action run when this process ends. The last one that is added runs first.
 *
 * @param action synchronous, and does not throw
 * @returns takes it back
 */
export function atEnd(action: () => void): () => void {
  if (actions.size === 0) {
    process.on('exit', runAll);
    for (const signal of ENDING) process.on(signal, endAfterwards);
  }
  actions.add(action);
  return () => {
    if (!actions.delete(action) || actions.size > 0) return;
    process.off('exit', runAll);
    for (const signal of ENDING) process.off(signal, endAfterwards);
  };
}
