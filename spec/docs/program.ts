/** A program out of a document, as a process of its own. */
import { spawn } from 'node:child_process';
import { trueClock } from '../support/true-clock.js';
import { until } from '../support/wait.js';

/** A program that runs until the spec has seen enough. */
export class Program {
  readonly lines: string[] = [];
  output = '';
  errors = '';
  ended: number | string | undefined;
  readonly #child;

  constructor(
    command: string,
    args: readonly string[],
    options: { cwd: string; env: Record<string, string> },
  ) {
    this.#child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...trueClock(), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let rest = '';
    this.#child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      this.output += chunk;
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      this.lines.push(...lines);
    });
    this.#child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.errors += chunk;
    });
    this.#child.once('close', (code, signal) => {
      this.ended = code ?? signal ?? 0;
    });
  }

  /** Waits for output. @throws Error with what the program complained of */
  async until(what: string, condition: () => boolean, withinMs = 20_000): Promise<void> {
    await until(what, condition, {
      withinMs,
      instead: () => [this.lines.slice(-5), this.errors.slice(-500)],
    });
  }

  /** Ends it with its children. */
  kill(): void {
    if (this.ended === undefined && this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL');
  }
}
