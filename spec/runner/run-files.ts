/** Runs jobs, several at a time, each in a process of its own, and prints each result as soon as it is there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Failure, FileResult, Running, Told } from './messages.js';

const CHILD = fileURLToPath(new URL('child.js', import.meta.url));
/** After its last spec a process has this long to end: what keeps it alive was left open. */
const ENDS_WITHIN_MS = 60_000;
/**
 * Nothing takes this long between one spec and the next; what hangs where Mocha's own limit does not reach is ended.
 */
const GIVEN_UP_AFTER_MS = 20 * 60_000;
/** Specs of the unit layer take milliseconds. Mocha's own limit is shorter, and names what is waited for. */
export const UNIT_GIVEN_UP_AFTER_MS = 200_000;

/** What one process runs. */
export interface Job {
  readonly name: string;
  readonly command: readonly string[];
  /** Spec files below `spec/`; without any, the command is judged by its exit code. */
  readonly files: readonly string[];
  /** It is ended when it has told of nothing for this long, ms. Default 20 minutes. */
  readonly givenUpAfterMs?: number;
  /** Longest time from its last spec to its end, and from its end to that of what holds its output, ms. Default 1 minute. */
  readonly endsWithinMs?: number;
}

/** What has been run so far. */
export interface Outcome {
  readonly results: FileResult[];
  readonly failures: Failure[];
  /** Lines in which a spec says why it was skipped. */
  readonly reasons: Set<string>;
}

/** A job that runs spec files with Mocha. */
export function specJob(files: readonly string[], givenUpAfterMs = GIVEN_UP_AFTER_MS): Job {
  const compiled = files.map((file) => `dist/spec/${file.replace(/\.ts$/, '.js')}`);
  const name = files.length === 1 ? files[0]! : `${files.length} files`;
  return {
    name,
    files,
    givenUpAfterMs,
    command: [process.execPath, '--enable-source-maps', CHILD, ...compiled],
  };
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

/** A process of a job, and what it has told. */
class JobProcess {
  readonly #job: Job;
  readonly #child: ChildProcess;
  readonly #fail: (failure: Failure) => void;
  readonly #told = new Set<string>();
  #running: Running | undefined;
  #timer: NodeJS.Timeout | undefined;
  #gaveUp = false;
  #ended = false;
  #leftOpen = false;
  #failed = 0;
  output = '';

  constructor(
    job: Job,
    {
      onResult,
      onFailure,
    }: { onResult: (result: FileResult) => void; onFailure: (failure: Failure) => void },
  ) {
    this.#job = job;
    const [command, ...args] = job.command as [string, ...string[]];
    this.#child = spawn(command, args, {
      stdio: this.isSpec ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
      shell: !this.isSpec && process.platform === 'win32',
    });
    this.#fail = (failure) => {
      this.#failed += 1;
      onFailure(failure);
    };
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream!.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.#child.on('message', (message: Told) => this.#hear(message, onResult));
    this.#waitFor(job.givenUpAfterMs ?? GIVEN_UP_AFTER_MS);
  }

  get isSpec(): boolean {
    return this.#job.files.length > 0;
  }

  /** Resolves when the process has ended and has been judged. */
  async judged(): Promise<{ code: number | NodeJS.Signals }> {
    running.add(this.#child);
    const code = await new Promise<number | NodeJS.Signals>((resolve) => {
      this.#child.once('error', (error) => {
        this.output += error.message;
        resolve(1);
      });
      this.#child.once('exit', () => this.#waitForOutput());
      this.#child.once('close', (status, signal) => resolve(status ?? signal ?? 1));
    });
    clearTimeout(this.#timer);
    running.delete(this.#child);
    if (!this.isSpec) {
      if (code !== 0)
        this.#fail({ file: this.#job.name, title: this.#how(code), error: this.output.slice(-20_000) });
    } else this.#judgeSpecs(code);
    return { code };
  }

  #hear(message: Told, onResult: (result: FileResult) => void): void {
    this.#waitFor(this.#job.givenUpAfterMs ?? GIVEN_UP_AFTER_MS);
    switch (message.kind) {
      case 'running':
        this.#running = message.running;
        return;
      case 'failure':
        this.#fail(message.failure);
        return;
      case 'file':
        this.#told.add(message.result.file);
        onResult(message.result);
        return;
      case 'end':
        this.#ended = true;
        this.#waitFor(this.#endsWithinMs);
    }
  }

  /** Ends the process unless it tells of something within so much time, ms. */
  #waitFor(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#gaveUp = true;
      this.#child.kill('SIGKILL');
    }, ms);
  }

  get #endsWithinMs(): number {
    return this.#job.endsWithinMs ?? ENDS_WITHIN_MS;
  }

  /** What the ended process has started and left may hold its output open for as long as it likes. */
  #waitForOutput(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#leftOpen = true;
      for (const stream of [this.#child.stdout, this.#child.stderr]) stream!.destroy();
    }, this.#endsWithinMs);
  }

  #how(code: number | NodeJS.Signals): string {
    const ms = this.#job.givenUpAfterMs ?? GIVEN_UP_AFTER_MS;
    return this.#gaveUp ? `hung: nothing moved for ${seconds(ms).trim()}` : `the process ended with ${code}`;
  }

  #judgeSpecs(code: number | NodeJS.Signals): void {
    const { name, files } = this.#job;
    const error = this.output.slice(-8_000);
    const left = files.filter((file) => !this.#told.has(file));
    if (!this.#ended) {
      // A process that several files share is judged by the one that it was at.
      const { file, title = 'while it was loaded' } = this.#running ?? {
        file: name,
        title: 'before any spec',
      };
      const others = left.filter((other) => other !== file);
      const unrun = others.length === 0 ? '' : `\nnot run for that reason:\n  ${others.join('\n  ')}`;
      this.#fail({ file, title: `${title}: ${this.#how(code)}`, error: `${error}${unrun}` });
    } else if (typeof code === 'string' || this.#leftOpen) {
      const oneOf = files.length === 1 ? '' : `\nby one of these files:\n  ${files.join('\n  ')}`;
      const title = this.#leftOpen
        ? 'leaves a process that holds its output'
        : 'does not end: something was left open';
      this.#fail({ file: name, title, error: `${error}${oneOf}` });
    } else {
      for (const file of left) this.#fail({ file, title: 'has no spec that was run', error });
      if (code !== 0 && this.#failed === 0)
        this.#fail({ file: name, title: `ended with ${code}`, error: this.output });
    }
  }
}

async function runJob(job: Job, outcome: Outcome, print: (text: string) => void): Promise<void> {
  const started = performance.now();
  const onResult = (result: FileResult) => {
    outcome.results.push(result);
    print(line(result));
  };
  const onFailure = (failure: Failure) => {
    outcome.failures.push(failure);
    print(`\nFAILED  ${failure.file}: ${failure.title}\n${indented(failure.error)}\n\n`);
  };
  const child = new JobProcess(job, { onResult, onFailure });
  const { code } = await child.judged();
  if (!child.isSpec) {
    const ms = performance.now() - started;
    onResult({ file: job.name, ms, passed: 0, failed: code === 0 ? 0 : 1, skipped: [] });
  }
  const { output } = child;
  for (const reason of output.match(/^.*\bSKIPPED\b.*$/gm) ?? []) outcome.reasons.add(reason.trim());
  if (output.trim() !== '' && (child.isSpec || code === 0)) print(`${indented(output)}\n`);
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
