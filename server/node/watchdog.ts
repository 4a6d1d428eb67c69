/**
 * Ends a process whose event loop has stopped turning. Such a node accepts connections and answers nothing: its clients
 * would stay with it for as long as it hangs. Ended, it is missed at once, and whatever started it starts it again.
 *
 * The watch is kept by a thread (`watchdog-thread.ts`), which a busy main thread cannot hold up.
 */
import { url as inspectorUrl } from 'node:inspector';
import { Worker } from 'node:worker_threads';
import type { Logger } from '../logger.js';

/** Places in the memory that both threads see. */
export const BEATS = 0;
/** 1 while a debugger may hold the main thread. */
export const DEBUGGED = 1;
const PLACES = 2;

/** How many times within the limit the thread looks. */
const LOOKS = 10;
/** The thread needs hardly any memory; the defaults would allow it a node's. */
const RESOURCES = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16, stackSizeMb: 1 };

/** What the thread is given. */
export interface WatchdogOrder {
  /** Two 32-bit integers: {@link BEATS} and {@link DEBUGGED}. */
  readonly memory: SharedArrayBuffer;
  readonly node: string;
  readonly limitMs: number;
  /** Time between two looks, ms. */
  readonly everyMs: number;
  /** After how many looks without a beat the process ends. */
  readonly looks: number;
}

/**
 * Begins to watch this process's event loop, until the process ends. It does not keep the process alive.
 *
 * @param limitMs how long the loop may stand still; 0: for ever, and nothing is started
 */
export function startWatchdog({ limitMs, node }: { limitMs: number; node: string }, logger: Logger): void {
  if (limitMs === 0) return;
  const everyMs = limitMs / LOOKS;
  const memory = new SharedArrayBuffer(PLACES * Int32Array.BYTES_PER_ELEMENT);
  const places = new Int32Array(memory);
  const order: WatchdogOrder = { memory, node, limitMs, everyMs, looks: LOOKS };
  const thread = new Worker(new URL('./watchdog-thread.js', import.meta.url), {
    name: 'watchdog',
    workerData: order,
    // Nothing that was meant for the node itself, such as a profiler.
    execArgv: [],
    resourceLimits: RESOURCES,
  });
  thread.on('error', (error) => {
    logger.warn({ error: String(error) }, 'watchdog: it has failed, and the event loop is no longer watched');
  });
  thread.unref();
  setInterval(() => {
    Atomics.store(places, DEBUGGED, inspectorUrl() === undefined ? 0 : 1);
    Atomics.add(places, BEATS, 1);
  }, everyMs / 2).unref();
}
