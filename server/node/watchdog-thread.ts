/**
 * The thread of the watchdog. It counts its own checks instead of reading a clock: while the process is suspended
 * (SIGSTOP, a sleeping laptop, a migrating virtual machine) the thread is suspended too, so that time does not count.
 */
import { write } from 'node:fs';
import { type Debugger, Session } from 'node:inspector';
import { workerData } from 'node:worker_threads';
import { BEATS, DEBUGGED, type WatchdogOrder } from './watchdog.js';

/** The main thread reports its stack only while it runs JavaScript. */
const STACK_WITHIN_MS = 1_000;
const STACK_FRAMES = 10;
/** The main thread may be waiting for the very process that reads standard error. */
const WRITTEN_WITHIN_MS = 500;
const KILL_AFTER_MS = 1_000;
/** Pino's number for "fatal". */
const FATAL = 60;

const { memory, node, limitMs, everyMs, looks } = workerData as WatchdogOrder;
const places = new Int32Array(memory);

let lastBeats = 0;
let looksWithout = 0;
const timer = setInterval(() => {
  const beats = Atomics.load(places, BEATS);
  if (beats !== lastBeats || Atomics.load(places, DEBUGGED) === 1) {
    lastBeats = beats;
    looksWithout = 0;
    return;
  }
  looksWithout += 1;
  if (looksWithout < looks) return;
  clearInterval(timer);
  void end();
}, everyMs);

async function end(): Promise<void> {
  const stack = await mainStack();
  const line = JSON.stringify({
    level: FATAL,
    time: Date.now(),
    node,
    stack,
    msg: `watchdog: the event loop has stood still for ${limitMs / 1000} s; the process ends itself`,
  });
  await within(WRITTEN_WITHIN_MS, (done) => write(2, `${line}\n`, () => done(undefined)));
  // An exit code would need the main thread. SIGALRM ends the process with a distinct status (142 in a shell and in
  // containers), and writes no core dump, for which clients would have to wait.
  if (process.platform !== 'win32') process.kill(process.pid, 'SIGALRM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), KILL_AFTER_MS);
}

/** The stack of the main thread, innermost function first; undefined if it is not running JavaScript. */
function mainStack(): Promise<string[] | undefined> {
  return within(STACK_WITHIN_MS, (done) => {
    const session = new Session();
    session.connectToMainThread();
    const urls = new Map<string, string>();
    session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url));
    session.on('Debugger.paused', ({ params: { callFrames } }) =>
      done(callFrames.slice(0, STACK_FRAMES).map((frame) => frameText(frame, urls))),
    );
    session.post('Debugger.enable');
    session.post('Debugger.pause');
  });
}

function frameText(
  { functionName, location }: Debugger.CallFrame,
  urls: ReadonlyMap<string, string>,
): string {
  const { scriptId, lineNumber, columnNumber = 0 } = location;
  return `${functionName || '(anonymous)'} (${urls.get(scriptId)}:${lineNumber + 1}:${columnNumber + 1})`;
}

function within<T>(
  ms: number,
  begin: (done: (result: T | undefined) => void) => void,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms);
    begin(resolve);
  });
}
