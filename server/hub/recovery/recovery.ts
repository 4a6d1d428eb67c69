import type { Positions } from '@axiom-streaming/protocol/cursor';
import type { NotRecovered } from '@axiom-streaming/protocol/message';
import { type Topic, topicName } from '@axiom-streaming/protocol/topic';
import type { StreamLog } from '../../log/stream-log.js';
import type { Clock } from '../../time/clock.js';
import { increment } from '../counters.js';
import type { StreamReader } from '../delivery/stream-reader.js';
import type { StreamMessage } from '../tail/stream-message.js';
import type { StreamTail } from '../tail/stream-tail.js';
import { type BackfillPlan, backfill } from './backfill.js';
import { LogPages } from './log-pages.js';
import { LogTops } from './log-tops.js';
import { messagesAfter, type Stretch } from './messages-after.js';
import type { Past, PastRequest, Rewound } from './past.js';
import { type RewindRequest, rewind } from './rewind.js';
import { Semaphore } from './semaphore.js';
import type { Toll } from './toll.js';
import { judge, type Verdict } from './verdict.js';

/** What recoveries ask of the stream log, or of what keeps its past. */
export type RecoveryLog = Pick<StreamLog, 'check' | 'range'>;

export interface RecoveryOptions {
  readonly log: RecoveryLog;
  /** The tail of a stream. @throws HubError `unknown_stream` */
  readonly tailOf: (stream: string) => StreamTail;
  readonly clock: Clock;
  /** Messages of a stream that one recovery may walk over. */
  readonly maxMessages: number;
  /** Most backfills at a time. */
  readonly concurrentBackfills: number;
  /** A backfill pauses while its connection has more than this waiting, bytes. */
  readonly pauseBytes: number;
  /** Counts verdicts. */
  readonly outcomes: Map<NotRecovered | 'recovered', number>;
}

/**
 * The past of the streams: the single entry point for resuming from a cursor, reading history, and subscriptions that
 * begin with more than live messages. It is served from the recent windows; older messages come from the log, and
 * callers that need the same read share it.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #pages: LogPages;
  readonly #tops: LogTops;
  readonly #semaphore: Semaphore;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#pages = new LogPages(options.log);
    this.#tops = new LogTops(options.log);
    this.#semaphore = new Semaphore(options.concurrentBackfills);
  }

  /** Backfills now: those that write, and those that wait for their turn. */
  get backfills(): { readonly running: number; readonly waiting: number } {
    const { running, waiting } = this.#semaphore;
    return { running, waiting };
  }

  /** Range reads of the log that were made so far. */
  get rangeReads(): number {
    return this.#pages.reads;
  }

  /** Verdicts for topics against a cursor, in their order. Waits until their streams are live. */
  judge(topics: readonly Topic[], positions: Positions): Promise<Verdict[]> {
    const { tailOf, maxMessages, outcomes } = this.#options;
    return Promise.all(
      topics.map(async ({ stream, key }) => {
        const tail = tailOf(stream);
        await tail.whenLive();
        const verdict = await judge(tail, key, positions.get(stream), { tops: this.#tops, maxMessages });
        increment(outcomes, verdict.recovered ? 'recovered' : verdict.reason);
        return verdict;
      }),
    );
  }

  /**
   * The newest messages of some keys, ascending by seq. Paid for as they are searched.
   *
   * @throws HubError `log_unavailable`, and as {@link Toll.pay}
   */
  rewind(tail: StreamTail, request: RewindRequest, toll: Toll): Promise<StreamMessage[]> {
    return rewind(tail, request, this.#pages, toll);
  }

  /** The messages of some keys that follow a position, as far as one read brings them. The caller pays. */
  messagesAfter(tail: StreamTail, position: number, keys: ReadonlySet<string>): Stretch | Promise<Stretch> {
    return messagesAfter(tail, position, keys, this.#pages);
  }

  /** The past of topics, all of it of the current epoch of each stream. @throws HubError `log_unavailable` */
  async past(topics: readonly Topic[], { positions, rewind }: PastRequest, toll: Toll): Promise<Past> {
    const { tailOf } = this.#options;
    const byStream = keysByStream(topics);
    for (;;) {
      const epochs = new Map([...byStream.keys()].map((stream) => [stream, tailOf(stream).epoch]));
      const judged = positions === undefined ? undefined : await this.judge(topics, positions);
      const verdicts =
        judged && new Map(topics.map(({ stream, key }, i) => [topicName(stream, key), judged[i]!]));
      const rewound = new Map<string, Rewound>();
      for (const [stream, keys] of rewind === undefined ? [] : byStream) {
        const tail = tailOf(stream);
        const barrier = tail.last;
        const messages = await this.rewind(tail, { keys, count: rewind!, barrier }, toll);
        rewound.set(stream, { barrier, messages });
      }
      if ([...epochs].every(([stream, epoch]) => tailOf(stream).epoch === epoch))
        return { verdicts, rewound };
    }
  }

  /** Writes what a plan says to a held reader, and releases it. @throws HubError if the log cannot be read. */
  backfill(reader: StreamReader, plan: BackfillPlan, toll: Toll): Promise<void> {
    const { clock, pauseBytes } = this.#options;
    return backfill(reader, plan, {
      pages: this.#pages,
      toll,
      semaphore: this.#semaphore,
      pauseBytes,
      clock,
    });
  }
}

/** The keys of topics by their stream, in the order of the topics. */
export function keysByStream(topics: readonly Topic[]): Map<string, Set<string>> {
  const byStream = new Map<string, Set<string>>();
  for (const { stream, key } of topics) byStream.set(stream, (byStream.get(stream) ?? new Set()).add(key));
  return byStream;
}
