import {
  type AppendEntry,
  type AppendResult,
  IDEMPOTENCY_MS,
  type LogBatch,
  type LogListener,
  type Retention,
  type StreamLog,
} from '../../server/log/stream-log.js';
import { until } from '../support/wait.js';

/** The streams of every log under test. */
export const CONTRACT_STREAMS = ['news', 'market'] as const;

export const ROOMY: Retention = {
  maxMessages: 100_000,
  maxAgeMs: 3_600_000,
  maxBytes: 1_073_741_824,
  maxKeys: 10_000,
};

/** Opens the log of this spec, empty at first, with announcements to `listener`. What it opens, it closes after it. */
export type OpenLog = (retention: Retention, listener: LogListener) => Promise<StreamLog>;

/** A follower that keeps what it hears. */
export class Follower implements LogListener {
  readonly batches: LogBatch[] = [];
  resumptions = 0;
  interruptions = 0;
  onBatch: (batch: LogBatch) => void = () => undefined;

  batch(batch: LogBatch): void {
    this.batches.push(batch);
    this.onBatch(batch);
  }

  interrupted(): void {
    this.interruptions += 1;
  }

  resumed(): void {
    this.resumptions += 1;
  }

  seqs(stream: string): number[] {
    return this.batches
      .filter((batch) => batch.stream === stream)
      .flatMap(({ first, keys }) => keys.map((_, i) => first + i));
  }

  async has(stream: string, count: number): Promise<void> {
    await until(`${count} messages of ${stream} are announced`, () => this.seqs(stream).length >= count, {
      instead: () => this.seqs(stream),
    });
  }
}

/** Resolves when the log in Redis, which counts ids by windows of the clock, will not begin another one in a moment. */
export async function inOneWindowOfIds(): Promise<void> {
  await until('a window of ids has begun', () => Date.now() % IDEMPOTENCY_MS < IDEMPOTENCY_MS - 8_000);
}

/** Entries with the data 0, 1, 2, … under one key. */
export function numbered(count: number, key = 'k'): AppendEntry[] {
  return Array.from({ length: count }, (_, n) => ({ key, data: String(n) }));
}

/** The seq of a result that has one. */
export function seqOf(result: AppendResult | undefined): number {
  if (result === undefined || !('seq' in result)) throw new Error(`no seq in ${JSON.stringify(result)}`);
  return result.seq;
}

/** The error that a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** The log of the spec that runs, and who follows it. */
export class LogUnderTest {
  follower = new Follower();
  readonly #open: OpenLog;
  #log: StreamLog | undefined;

  constructor(open: OpenLog) {
    this.#open = open;
  }

  get log(): StreamLog {
    if (this.#log === undefined) throw new Error('no log is open');
    return this.#log;
  }

  /** Opens one. Default of the retention: {@link ROOMY}. */
  async openWith(retention: Partial<Retention>): Promise<void> {
    this.follower = new Follower();
    this.#log = await this.#open({ ...ROOMY, ...retention }, this.follower);
  }
}
