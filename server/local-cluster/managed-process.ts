import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { atEnd } from './at-end.js';

/** How many of the last lines of output are kept for error messages. */
const TAIL_LINES = 20;
/** Generous: on a machine that is busy a node may take many times the second that it takes otherwise. */
const READY_WITHIN_MS = 90_000;
const READY_POLL_MS = 25;
const END_WITHIN_MS = 5_000;

export interface ProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the current process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Runs it as another user; requires root. */
  readonly account?: { readonly uid: number; readonly gid: number };
  /** Polled until it resolves to true: the process serves. */
  readonly ready: () => Promise<boolean>;
  /** 90 s unless told otherwise. */
  readonly readyWithinMs?: number;
  /**
   * What ends it at once. Default SIGKILL; a program with workers has to end them itself, so it needs one that it can
   * handle.
   */
  readonly endWith?: 'SIGTERM';
  /** Called with each line of standard output and standard error. */
  readonly onLine?: (line: string) => void;
}

/** A child process that is started, awaited, signalled, and never left behind. */
export class ManagedProcess {
  readonly name: string;
  readonly #options: ProcessOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<number | NodeJS.Signals> | undefined;
  #tail: string[] = [];

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get #endSignal(): NodeJS.Signals {
    return this.#options.endWith ?? 'SIGKILL';
  }

  /** Resolves with the exit code or signal when the process has ended; at once if it is not running. */
  get exited(): Promise<number | NodeJS.Signals> {
    return this.#exited ?? Promise.resolve(0);
  }

  /** Starts the process and waits until it is ready. @throws Error with the end of its output if that fails. */
  async start(): Promise<void> {
    const { command, args, env, account, onLine, name, readyWithinMs = READY_WITHIN_MS } = this.#options;
    this.#tail = [];
    const child = spawn(command, args, {
      ...account,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    // It ends with this process, however that ends.
    const forget = atEnd(() => child.kill(this.#endSignal));
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          this.#tail = [...this.#tail.slice(1 - TAIL_LINES), line];
          onLine?.(line);
        }
      });
    }
    let ended: number | NodeJS.Signals | undefined;
    this.#exited = new Promise((resolve) => {
      const end = (result: number | NodeJS.Signals) => {
        forget();
        ended = result;
        if (this.#child === child) this.#child = undefined;
        resolve(result);
      };
      child.once('error', (error) => {
        this.#tail.push(error.message);
        end(1);
      });
      child.once('exit', (code, signal) => end(code ?? signal ?? 0));
    });
    const deadline = performance.now() + readyWithinMs;
    while (!(await this.#options.ready())) {
      if (ended === undefined && performance.now() < deadline) {
        await delay(READY_POLL_MS);
        continue;
      }
      const why = ended === undefined ? `was not ready within ${readyWithinMs} ms` : `ended with ${ended}`;
      await this.end();
      const wrote =
        this.#tail.length > 0 ? `: it last wrote\n${this.#tail.join('\n')}` : ' and wrote nothing';
      throw new Error(`${name} ${why}${wrote}`);
    }
  }

  /** Ends it at once, with all that it has started. */
  end(): Promise<number | NodeJS.Signals> {
    return this.stop(this.#endSignal, END_WITHIN_MS);
  }

  /** Sends a signal without waiting. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Sends a signal and waits for the end; sends SIGKILL after `killAfterMs`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', killAfterMs = 40_000): Promise<number | NodeJS.Signals> {
    const { exited } = this;
    this.#child?.kill(signal);
    const kill = setTimeout(() => this.#child?.kill('SIGKILL'), killAfterMs);
    const result = await exited;
    clearTimeout(kill);
    return result;
  }
}

/** Folders with programs that are often not on the PATH. */
const MORE_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/opt/homebrew/bin'];

/** A required program is not installed. The message is one line that says how to install it. */
export class MissingProgram extends Error {
  constructor(program: string, debianPackage: string) {
    super(`${program} is not installed. On Debian or Ubuntu: apt-get install ${debianPackage}`);
    this.name = 'MissingProgram';
  }
}

/** The path of a program. @throws MissingProgram */
export function findProgram(program: string, debianPackage: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...MORE_FOLDERS];
  const found = folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
  if (found === undefined) throw new MissingProgram(program, debianPackage);
  return found;
}
