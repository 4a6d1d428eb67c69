/**
 * Runs the spec files that its arguments name, in this process, and tells its parent at once what begins, of each
 * failure and of each file. What specs write goes to standard output.
 */
import { fileURLToPath, pathToFileURL } from 'node:url';
import Mocha from 'mocha';
import type { FileResult, Told } from './messages.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const { default: options } = (await import(pathToFileURL(`${ROOT}/.mocharc.mjs`).href)) as {
  default: { timeout: number; slow: number };
};

function tell(told: Told): void {
  process.send?.(told);
}

/** The source of a compiled file, below `spec/`. */
function sourceOf(file: string | undefined): string {
  const path = (file ?? '').replaceAll('\\', '/');
  return path.slice(path.lastIndexOf('/dist/spec/') + '/dist/spec/'.length).replace(/\.js$/, '.ts');
}

function fileOf(of: { file?: string | undefined; parent?: Mocha.Suite | undefined }): string {
  let at: { file?: string | undefined; parent?: Mocha.Suite | undefined } | undefined = of;
  while (at !== undefined && at.file === undefined) at = at.parent;
  return sourceOf(at?.file);
}

function described(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { expected, actual } = error as { expected?: unknown; actual?: unknown };
  const show = (value: unknown) => JSON.stringify(value, undefined, 2)?.slice(0, 4_000);
  const differs = expected !== undefined && typeof expected === 'object';
  const values = differs ? `\nexpected ${show(expected)}\nactual   ${show(actual)}` : '';
  return `${error.stack ?? error.message}${values}`;
}

/** Counts by file, and tells of a file when the next one begins. */
class Teller {
  #file = '';
  #from = performance.now();
  #passed = 0;
  #failed = 0;
  #skipped: string[] = [];

  constructor(runner: Mocha.Runner) {
    runner.on('suite', (suite) => {
      if (!suite.root) this.#begin(fileOf(suite));
    });
    for (const event of ['test', 'hook'] as const) {
      runner.on(event, (runnable) => {
        const running = { file: fileOf(runnable), title: runnable.fullTitle() };
        tell({ kind: 'running', running });
      });
    }
    runner.on('pass', () => {
      this.#passed += 1;
    });
    runner.on('pending', (test) => {
      this.#skipped.push(test.fullTitle());
    });
    runner.on('fail', (test, error) => {
      this.#failed += 1;
      const file = fileOf(test);
      tell({ kind: 'failure', failure: { file, title: test.fullTitle(), error: described(error) } });
    });
    runner.once('end', () => this.#begin(''));
  }

  #begin(file: string): void {
    if (file === this.#file) return;
    const now = performance.now();
    if (this.#file !== '') {
      const result: FileResult = {
        file: this.#file,
        ms: now - this.#from,
        passed: this.#passed,
        failed: this.#failed,
        skipped: this.#skipped,
      };
      tell({ kind: 'file', result });
    }
    [this.#file, this.#from] = [file, now];
    [this.#passed, this.#failed, this.#skipped] = [0, 0, []];
  }
}

// Mocha's own command has this line too: without it, a rejection that nobody handles is dropped while Mocha is loaded.
process.on('unhandledRejection', (reason) => {
  throw reason;
});
// A forgotten `.only` would leave the others of its process out without a word.
const mocha = new Mocha({
  timeout: options.timeout,
  slow: options.slow,
  forbidOnly: true,
  reporter: Teller as never,
});
mocha.suite.on('pre-require', (_context, file) => {
  tell({ kind: 'running', running: { file: sourceOf(file), title: undefined } });
});
for (const file of process.argv.slice(2)) mocha.addFile(file);
await mocha.loadFilesAsync();
mocha.run((failures) => {
  process.exitCode = failures === 0 ? 0 : 1;
  tell({ kind: 'end' });
  process.disconnect?.();
});
