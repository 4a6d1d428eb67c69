/**
 * Ends a process whose event loop is blocked. Such a node accepts connections but answers nothing: its clients would
 * stay with it for as long as it hangs. Once it has ended, its clients leave at once, and its process manager restarts
 * it.
 *
 * A separate thread watches (`watchdog-thread.ts`), which a blocked main thread cannot hold up.
 */
import { url as inspectorUrl } from 'node:inspector';
import { Worker } from 'node:worker_threads';
import type { Logger } from '../logger.js';

/** Indices in the shared memory. */
export const BEATS = 0;
/** 1 while a debugger may hold the main thread. */
export const DEBUGGED = 1;
const PLACES = 2;

/** How many times within the limit the thread checks. */
const LOOKS = 10;
/** The thread needs hardly any memory; the defaults would allow as much as for a node. */
const RESOURCES = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16, stackSizeMb: 1 };

/** The data that the thread is started with. */
export interface WatchdogOrder {
  /** Two 32-bit integers: {@link BEATS} and {@link DEBUGGED}. */
  readonly memory: SharedArrayBuffer;
  readonly node: string;
  readonly limitMs: number;
  /** Time between two checks, ms. */
  readonly everyMs: number;
  /** The number of checks without a beat after which the process ends. */
  readonly looks: number;
}

/**
 * Watches this process's event loop until the process ends. It does not keep the process alive.
 *
 * @param limitMs how long the loop may be blocked; 0: forever, and no thread is started
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
    // Without options that are meant for the node itself, such as a profiler.
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
