import type { NotRecovered } from '@axiom-streaming/protocol/message';
import type { TailCounters } from '../../../server/hub/counters.js';
import type { StreamMessage } from '../../../server/hub/tail/stream-message.js';
import { StreamTail } from '../../../server/hub/tail/stream-tail.js';
import type { TailListener, TailPosition } from '../../../server/hub/tail/tail-ports.js';
import type { LogBatch, LogListener } from '../../../server/log/stream-log.js';
import { silentLogger } from '../../../server/logger.js';
import { until } from '../../support/wait.js';
import { ControlledLog } from '../support.js';

/** What the stream of these specs keeps. */
export const RETENTION = { maxMessages: 100_000, maxAgeMs: 3_600_000, maxBytes: 268_435_456, maxKeys: 1_000 };

/** Keeps what a tail tells. */
export class Ear implements TailListener {
  readonly messages: StreamMessage[] = [];
  readonly losses: { from: number; to: number; reason: NotRecovered }[] = [];
  /** Messages that had been heard when the epoch changed. */
  readonly epochChanges: number[] = [];

  message(_: TailPosition, message: StreamMessage): void {
    this.messages.push(message);
  }

  lost(_: TailPosition, from: number, to: number, reason: NotRecovered): void {
    this.losses.push({ from, to, reason });
  }

  epochChanged(): void {
    this.epochChanges.push(this.messages.length);
  }

  get seqs(): number[] {
    return this.messages.map(({ seq }) => seq);
  }
}

/** The log that a tail follows: of one stream, and empty. */
export function emptyLog(): ControlledLog {
  return new ControlledLog({ streams: new Map([['news', RETENTION]]) });
}

/** A tail that has begun to follow a log, and what it tells. The caller stops it. */
export function startTail(
  log: ControlledLog,
  { topCheckMs = 60_000, windowBytes = 1_000_000 }: { topCheckMs?: number; windowBytes?: number } = {},
): { ear: Ear; tail: StreamTail; counters: TailCounters } {
  const ear = new Ear();
  const counters = { gapFills: 0, epochRotations: 0, epochChanges: 0, lostMessages: 0 };
  const tail = new StreamTail({
    stream: 'news',
    log,
    listener: ear,
    logger: silentLogger,
    counters,
    windowBytes,
    topCheckMs,
  });
  const listener: LogListener = {
    batch: (batch) => tail.batch(batch),
    interrupted: () => tail.interrupted(),
    resumed: () => tail.resumed(),
  };
  log.follow(listener);
  tail.start();
  return { ear, tail, counters };
}

/** What specs do with the log and the tail that are current when they are called. */
export function tailHelpers(current: () => { log: ControlledLog; ear: Ear; tail: StreamTail }) {
  return {
    append: async (count: number, key = 'k') => {
      for (let n = 0; n < count; n++) await current().log.append('news', [{ key, data: String(n) }]);
    },
    /** A batch as the log would announce it. */
    batchOf: async (first: number, last: number): Promise<LogBatch> => {
      const { log, tail } = current();
      const entries = await log.range('news', first, last, 1_000);
      log.calls.length = 0;
      return {
        stream: 'news',
        epoch: tail.epoch,
        first,
        time: entries[0]?.time ?? 0,
        keys: entries.map(({ key }) => key),
        data: entries.map(({ data }) => data),
      };
    },
    heard: (seq: number) =>
      until(`message ${seq} is heard`, () => current().ear.seqs.includes(seq), {
        instead: () => current().ear.seqs,
      }),
  };
}
