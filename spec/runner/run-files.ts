/** Runs jobs, several at a time, each in a process of its own, and prints each result as soon as it is there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Failure, FileResult, Told } from './messages.js';

const CHILD = fileURLToPath(new URL('child.js', import.meta.url));
/** After its last spec a process has this long to end: what keeps it alive was left open. */
const ENDS_WITHIN_MS = 60_000;
/** Nothing takes this long; a process that hangs where Mocha's own limit does not reach is ended. */
const GIVEN_UP_AFTER_MS = 20 * 60_000;

/** What one process runs. */
export interface Job {
  readonly name: string;
  readonly command: readonly string[];
  /** Spec files below `spec/`; without any, the command is judged by its exit code. */
  readonly files: readonly string[];
}

/** What has been run so far. */
export interface Outcome {
  readonly results: FileResult[];
  readonly failures: Failure[];
  /** Lines in which a spec says why it was skipped. */
  readonly reasons: Set<string>;
}

/** A job that runs spec files with Mocha. */
export function specJob(files: readonly string[]): Job {
  const compiled = files.map((file) => `dist/spec/${file.replace(/\.ts$/, '.js')}`);
  const name = files.length === 1 ? files[0]! : `${files.length} files`;
  return { name, files, command: [process.execPath, '--enable-source-maps', CHILD, ...compiled] };
}

/**
 * @param jobs in the order in which they start
 * @param width how many run at the same time
 */
export async function runJobs(
  jobs: readonly Job[],
  width: number,
  outcome: Outcome,
  print: (text: string) => void,
): Promise<void> {
  const queue = [...jobs];
  const worker = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await runJob(job, outcome, print);
  };
  await Promise.all(Array.from({ length: Math.min(width, jobs.length) }, worker));
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGTERM');
});

async function runJob(job: Job, outcome: Outcome, print: (text: string) => void): Promise<void> {
  const started = performance.now();
  const [command, ...args] = job.command as [string, ...string[]];
  const isSpec = job.files.length > 0;
  const child = spawn(command, args, {
    stdio: isSpec ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    shell: !isSpec && process.platform === 'win32',
  });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream!.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const told = new Set<string>();
  let failed = 0;
  let giveUp = setTimeout(() => child.kill('SIGKILL'), GIVEN_UP_AFTER_MS);
  let ended = false;
  const fail = (failure: Failure) => {
    failed += 1;
    outcome.failures.push(failure);
    print(`\nFAILED  ${failure.file}: ${failure.title}\n${indented(failure.error)}\n\n`);
  };
  child.on('message', (message: Told) => {
    if (message.kind === 'failure') fail(message.failure);
    else if (message.kind === 'file') {
      told.add(message.result.file);
      outcome.results.push(message.result);
      print(line(message.result));
    } else {
      ended = true;
      clearTimeout(giveUp);
      giveUp = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS);
    }
  });
  const code = await new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      resolve(1);
    });
    child.once('close', (status, signal) => resolve(status ?? signal ?? 1));
  });
  clearTimeout(giveUp);
  running.delete(child);
  const ms = performance.now() - started;
  if (!isSpec) {
    const result = { file: job.name, ms, passed: 0, failed: code === 0 ? 0 : 1, skipped: [] };
    outcome.results.push(result);
    if (code !== 0) fail({ file: job.name, title: `ended with ${code}`, error: output.slice(-20_000) });
    print(line(result));
  } else if (!ended) {
    fail({ file: job.name, title: `ended with ${code} before its last spec`, error: output.slice(-8_000) });
  } else if (typeof code === 'string') {
    fail({ file: job.name, title: 'does not end: something was left open', error: output.slice(-8_000) });
  } else {
    for (const file of job.files.filter((name) => !told.has(name))) {
      fail({ file, title: 'has no spec that was run', error: output.slice(-8_000) });
    }
    if (code !== 0 && failed === 0) fail({ file: job.name, title: `ended with ${code}`, error: output });
  }
  for (const reason of output.match(/^.*\bSKIPPED\b.*$/gm) ?? []) outcome.reasons.add(reason.trim());
  if (output.trim() !== '' && (isSpec || code === 0)) print(`${indented(output)}\n`);
}

function line({ file, ms, passed, failed, skipped }: FileResult): string {
  const counts = [
    ...(passed > 0 ? [`${passed} passed`] : []),
    ...(failed > 0 ? [`${failed} FAILED`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} skipped`] : []),
  ];
  return `${failed > 0 ? 'FAILED' : 'ok    '} ${seconds(ms)}  ${file}  ${counts.join(', ')}\n`;
}

/** Right-aligned. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(6)} s`;
}

function indented(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((each) => `          ${each}`)
    .join('\n');
}
