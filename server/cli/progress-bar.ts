import type { Terminal } from './output.js';

const WIDTH = 30;
const PAINT_EVERY_MS = 100;

/** Progress through a file, on one line of standard error that is redrawn. Prints nothing if that is not a terminal. */
export class ProgressBar {
  readonly #terminal: Terminal;
  readonly #total: number | undefined;
  readonly #isShown: boolean;
  readonly #startedAt = performance.now();
  #done = 0;
  #paintedAt = 0;

  /** @param total size in bytes; undefined if unknown, then only counts are shown */
  constructor(terminal: Terminal, total: number | undefined, isQuiet: boolean) {
    this.#terminal = terminal;
    this.#total = total;
    this.#isShown = terminal.stderr.isTTY === true && !isQuiet;
  }

  advance(bytes: number, count: number): void {
    this.#done += bytes;
    const now = performance.now();
    if (!this.#isShown || now - this.#paintedAt < PAINT_EVERY_MS) return;
    this.#paintedAt = now;
    this.#terminal.stderr.write(`\r\u001b[K${this.#text(count, (now - this.#startedAt) / 1000)}`);
  }

  clear(): void {
    if (this.#isShown) this.#terminal.stderr.write('\r\u001b[K');
  }

  #text(count: number, seconds: number): string {
    const counts = `${count} published, ${Math.round(count / Math.max(seconds, 0.001))}/s`;
    if (this.#total === undefined || this.#total === 0) return counts;
    const part = Math.min(1, this.#done / this.#total);
    const filled = Math.round(part * WIDTH);
    return `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${String(Math.round(part * 100)).padStart(3)} %  ${counts}`;
  }
}
