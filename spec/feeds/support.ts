/** What the specs of the feeds share: the CSV files read anew by hand, and a clock that stands until it is moved. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Leases } from '../../server/cluster/leases.js';
import type { Feed } from '../../server/feeds/feed.js';
import type { Logger } from '../../server/logger.js';

/** The cells of a file of the dataset, without its header; split by hand, the files have no quotes. */
export function csvCells(file: string): string[][] {
  const entry = createRequire(import.meta.url).resolve('vega-datasets');
  const lines = readFileSync(new URL(`../data/${file}`, `file://${entry}`), 'utf8')
    .trim()
    .split(/\r?\n/);
  return lines.slice(1).map((line) => line.split(','));
}

/** The closing prices of a symbol, straight from the files. */
export function csvCloses(symbol: string): number[] {
  if (symbol === 'SP500') return csvCells('sp500-2000.csv').map((cells) => Number(cells[4]));
  return csvCells('stocks.csv')
    .filter((cells) => cells[0] === symbol)
    .map((cells) => Number(cells[2]));
}

export const SYMBOLS = ['SP500', 'MSFT', 'AMZN', 'IBM', 'GOOG', 'AAPL'] as const;

/** The messages of a tick as objects, by topic. */
export function dataAt(feed: Feed, tick: number): Map<string, Record<string, unknown>> {
  return new Map(feed.at(tick).map(({ topic, data }) => [topic, JSON.parse(data)]));
}

/** Runs timers as its hands are turned, with all that they set off settled in between. */
export class FakeClock {
  #now: number;
  #timers = new Set<{ at: number; run: () => void }>();

  constructor(now: number) {
    this.#now = now;
  }

  readonly now = (): number => this.#now;

  readonly schedule = (run: () => void, ms: number): (() => void) => {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  get timers(): number {
    return this.#timers.size;
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settle();
    }
    this.#now = end;
  }
}

/** All promises that can be settled now are. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Leases that end by a given clock, as they do in Redis. */
export class FakeLeases implements Leases {
  readonly held = new Map<string, { holder: string; until: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async hold(name: string, holder: string, ms: number): Promise<boolean> {
    const lease = this.held.get(name);
    if (lease !== undefined && lease.holder !== holder && lease.until > this.#now()) return false;
    this.held.set(name, { holder, until: this.#now() + ms });
    return true;
  }

  async release(name: string, holder: string): Promise<void> {
    if (this.held.get(name)?.holder === holder) this.held.delete(name);
  }

  holderOf(name: string): string | undefined {
    return this.held.get(name)?.holder;
  }
}

/** Keeps the lines, as `level: message`. */
export function recordingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (fields: object | string, message?: string) => {
    lines.push(`${level}: ${message ?? JSON.stringify(fields)}`);
  };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
