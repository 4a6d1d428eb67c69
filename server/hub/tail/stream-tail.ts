/**
 * One stream as this node follows it: in order, without a hole, each message once.
 *
 * An announced batch is delivered when it continues from the tail's position. A gap is filled from the log, once for
 * the node; what is already delivered is dropped. Announcements can be lost, the last of a burst without leaving a gap,
 * so the tail compares itself with the top of the log when its subscription (re)starts and every few seconds.
 *
 * Each comparison also asks whether the log still holds the tail's own last message. If it does not, the log has lost
 * what it had announced (a restart without data, a replica promoted behind its master): the epoch is rotated, and
 * subscribers are told. The run id of the server was rejected as the criterion: it changes with a restart that kept
 * everything, and stays with a restore that did not.
 */

import type { LogBatch, LogEntry, LogTop } from '../../log/stream-log.js';
import type { Logger } from '../../logger.js';
import { Backoff, sleep } from '../../time/backoff.js';
import type { TailCounters } from '../counters.js';
import { NewestByKey } from './last-values.js';
import { mendValues, rebuildValues } from './missing-values.js';
import { lastSeq, PendingBatches } from './pending-batches.js';
import { RecentWindow } from './recent-window.js';
import { RetiredEpochs } from './retired-epochs.js';
import { holdsOurs } from './same-log.js';
import { StreamMessage } from './stream-message.js';
import type { TailListener, TailLog, TailPosition } from './tail-ports.js';

const FILL_PAGE = 512;
/**
 * Announcements travel on another connection than the answer of a check: what has not arrived after this long is lost.
 */
const IN_FLIGHT_MS = 150;
const REACH_POLL_MS = 10;
/** How many last values are looked at, at each regular comparison with the log, whether their age has ended them. */
const ENDED_AT_ONCE = 5_000;

export interface StreamTailOptions {
  readonly stream: string;
  readonly log: TailLog;
  readonly listener: TailListener;
  readonly logger: Logger;
  readonly counters: TailCounters;
  readonly windowBytes: number;
  /** Time between two comparisons with the log, ±30 %. */
  readonly topCheckMs: number;
  /** Whether messages can be found when the log has let go of them. Default: false. */
  readonly archived?: boolean;
}

export class StreamTail implements TailPosition {
  readonly stream: string;
  readonly window: RecentWindow;
  /** The newest message of each key, until its age ends it or it is deleted. */
  readonly lastValues = new NewestByKey();
  readonly #log: TailLog;
  readonly #listener: TailListener;
  readonly #logger: Logger;
  readonly #counters: TailCounters;
  readonly #topCheckMs: number;
  readonly #archived: boolean;
  readonly #stopping = new AbortController();
  readonly #retired = new RetiredEpochs();
  #epoch: string | undefined;
  /** The server whose log the tail has compared itself with: another one may hold less. */
  #server = '';
  #last = 0;
  #lostTo = 0;
  #newest: StreamMessage | undefined;
  #announced = false;
  #live = false;
  #catchingUp = false;
  #again = false;
  readonly #pending = new PendingBatches();
  #waiting: (() => void)[] = [];

  constructor(options: StreamTailOptions) {
    const { stream, log, listener, logger, counters, windowBytes, topCheckMs, archived = false } = options;
    this.stream = stream;
    this.#log = log;
    this.#listener = listener;
    this.#logger = logger;
    this.#counters = counters;
    this.#topCheckMs = topCheckMs;
    this.#archived = archived;
    this.window = new RecentWindow(windowBytes);
  }

  /** The epoch that the tail is in; '' before it has been live for the first time. */
  get epoch(): string {
    return this.#epoch ?? '';
  }

  /** Seq of the last message that was delivered. */
  get last(): number {
    return this.#last;
  }

  /** Seq of the last message that was lost unread: of those up to here not even the keys are known. */
  get lostTo(): number {
    return this.#lostTo;
  }

  /** Seq of the newest message of a key; where its last value is gone, a seq that it cannot exceed. */
  newestOf(key: string): number {
    return this.lastValues.get(key)?.seq ?? this.lastValues.goneTo;
  }

  /** Whether a search may find messages of a key. An archive has those of keys whose last values have ended. */
  mayHave(key: string): boolean {
    return this.lastValues.has(key) || (this.#archived && this.lastValues.endedTo > 0);
  }

  /** The message under {@link last}, if known. */
  get newest(): StreamMessage | undefined {
    return this.#newest;
  }

  /** True while announcements are delivered as they arrive. */
  get live(): boolean {
    return this.#live;
  }

  /** Resolves when the tail is live. Not before the log can be reached. */
  whenLive(): Promise<void> {
    if (this.#live) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when the tail has delivered up to `seq`, which the log is known to hold, or has changed its epoch. */
  async reach(seq: number): Promise<void> {
    const epoch = this.#epoch;
    const isOver = () => this.#last >= seq || this.#epoch !== epoch || this.#stopping.signal.aborted;
    for (let round = 0; !isOver(); round++) {
      await sleep(REACH_POLL_MS, this.#stopping.signal);
      // The announcement should be on its way; when it is not, the log is asked.
      if (round % 25 === 24) await this.#catchUp();
    }
  }

  /** Begins comparing with the log. Call {@link resumed} when announcements arrive. */
  start(): void {
    void this.#checkTopRegularly();
  }

  stop(): void {
    this.#stopping.abort();
    this.#live = false;
  }

  /** A batch was announced. */
  batch(batch: LogBatch): void {
    if (!this.#live) this.#hold(batch);
    else if (!this.#accept(batch)) void this.#catchUp();
  }

  /** Announcements may be missing from now on. */
  interrupted(): void {
    this.#announced = false;
    this.#live = false;
  }

  /** Announcements arrive (again). */
  resumed(): void {
    this.#announced = true;
    void this.#catchUp();
  }

  /** Delivers what continues the tail. @returns false, with the batch held, if the log must be asked first. */
  #accept(batch: LogBatch): boolean {
    if (!this.#isOfOurs(batch) || batch.first > this.#last + 1) {
      this.#live = false;
      this.#hold(batch);
      return false;
    }
    for (let i = this.#last + 1 - batch.first; i < batch.keys.length; i++) {
      const entry = { seq: batch.first + i, time: batch.time, key: batch.keys[i]!, data: batch.data[i]! };
      this.#deliver(entry, batch.traces?.[i]);
    }
    return true;
  }

  #hold(batch: LogBatch): void {
    if (!this.#pending.add(batch)) this.#again = true;
  }

  #isOfOurs({ epoch, server = '' }: LogBatch): boolean {
    return epoch === this.#epoch && server === this.#server;
  }

  #deliver(entry: LogEntry, trace?: string): void {
    const message = new StreamMessage(this.stream, entry, trace);
    this.#last = entry.seq;
    this.#newest = message;
    this.window.push(message);
    this.lastValues.take(message);
    this.#listener.message(this, message);
  }

  /**
   * Reconciles with the log until nothing is held back any more. One at a time; tries as long as it takes. What is
   * announced meanwhile is held: it must not come between a question to the log and its answer.
   */
  async #catchUp(): Promise<void> {
    this.#again = true;
    this.#live = false;
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    const backoff = new Backoff();
    while (this.#again && !this.#stopping.signal.aborted) {
      this.#again = false;
      try {
        // What is announced cannot be ahead of a log that is asked afterwards.
        const announced = this.#pending.all;
        await this.#reconcile(announced);
        backoff.reset();
        this.#again ||= !this.#acceptPending(new Set(announced));
      } catch (error) {
        this.#again = true;
        this.#logger.warn(
          { stream: this.stream, error: String(error) },
          'tail: the log cannot be read, trying again',
        );
        await backoff.wait(this.#stopping.signal);
      }
    }
    this.#catchingUp = false;
    if (this.#stopping.signal.aborted || !this.#announced) return;
    this.#live = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /**
   * @param settled batches that were held before the log was asked; those of another epoch or server are outdated
   */
  #acceptPending(settled: ReadonlySet<LogBatch>): boolean {
    const held = this.#pending.take();
    return held.every((batch, i) => {
      if ((!this.#isOfOurs(batch) && settled.has(batch)) || this.#accept(batch)) return true;
      for (const later of held.slice(i + 1)) this.#hold(later);
      return false;
    });
  }

  async #reconcile(announced: readonly LogBatch[]): Promise<void> {
    if (this.#epoch === undefined) {
      await this.#adopt();
      return;
    }
    const top = await this.#log.check(this.stream, this.#last);
    const isBehind = announced.some((batch) => batch.epoch === top.epoch && lastSeq(batch) > top.top);
    if (top.epoch === this.#epoch && !isBehind && holdsOurs(top, this.#last, this.#newest)) {
      this.#server = top.server ?? '';
      if (top.top > this.#last) await this.#fill(top.top);
      return;
    }
    if (top.epoch === this.#epoch) await this.#rotate(top);
    await this.#adopt();
  }

  async #rotate({ epoch, top, lost }: LogTop): Promise<string> {
    this.#counters.epochRotations += 1;
    const state = { stream: this.stream, epoch, last: this.#last, top, ...(lost ? { lost } : {}) };
    this.#logger.error(state, 'tail: the log has lost messages that were announced; its epoch is rotated');
    return this.#log.rotate(this.stream, epoch);
  }

  /** Takes the log as it is now: its epoch, last values and top. */
  async #adopt(): Promise<void> {
    const before = await this.#log.check(this.stream, 0);
    let { epoch } = before;
    // Under the old epoch: a node that takes them meanwhile takes all of them again with the new one.
    if (before.lost === 'values') await rebuildValues(this.#log, this.stream, before);
    if (before.lost !== undefined) epoch = await this.#rotate(before);
    else if (epoch === null || this.#retired.has(epoch)) epoch = await this.#log.rotate(this.stream, epoch);
    const left = this.#epoch;
    const values = await this.#log.lastValues(this.stream);
    // Usually the newest message is the last value of its key, and tells the top at that moment.
    const newest = values.at(-1);
    const after = await this.#log.check(this.stream, 0);
    if (after.epoch !== epoch || after.server !== before.server)
      throw new Error('another log was read meanwhile');
    this.#epoch = epoch;
    this.#server = after.server ?? '';
    // It may also have deleted its key. What came since the first check is delivered once more, to the same end.
    this.#last = Math.max(newest?.seq ?? 0, before.top);
    this.#lostTo = 0;
    this.window.clear();
    this.lastValues.replace(
      values.map((entry) => new StreamMessage(this.stream, entry)),
      before.tombstone,
      after.ended,
    );
    this.#newest = newest?.seq === this.#last ? this.lastValues.get(newest.key) : undefined;
    if (left !== undefined) {
      this.#retired.add(left);
      this.#counters.epochChanges += 1;
      this.#logger.warn({ stream: this.stream, left, epoch }, 'tail: the log is in a new epoch');
      this.#listener.epochChanged(this);
    }
    // Batches that were held are in the log, or belong to a past epoch.
    if (after.top > this.#last) await this.#fill(after.top);
  }

  async #fill(to: number): Promise<void> {
    this.#counters.gapFills += 1;
    while (this.#last < to) {
      const from = this.#last + 1;
      const entries = await this.#log.range(this.stream, from, to, FILL_PAGE);
      for (const entry of entries) {
        if (entry.seq > this.#last + 1) await this.#lose(entry.seq - 1);
        this.#deliver(entry);
      }
      if (entries.length === 0) await this.#lose(to);
    }
  }

  async #lose(to: number): Promise<void> {
    // The last value of a key outlives its messages: a key with messages among the lost ones must not seem unchanged.
    const values = await this.#log.lastValues(this.stream);
    const from = this.#last + 1;
    this.#counters.lostMessages += to - from + 1;
    this.#logger.error(
      { stream: this.stream, from, to },
      'tail: messages were trimmed before they were read',
    );
    this.#last = to;
    this.#lostTo = to;
    this.window.clear();
    const found = values.map((entry) => new StreamMessage(this.stream, entry));
    this.lastValues.lose(found, from, to);
    // By this message the tail recognises its log.
    this.#newest = found.find(({ seq }) => seq === to);
    this.#listener.lost(this, from, to, 'trimmed');
  }

  async #checkTopRegularly(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(this.#topCheckMs * (0.7 + Math.random() * 0.6), signal);
      if (!this.#live || signal.aborted) continue;
      try {
        await this.#checkTop();
      } catch (error) {
        // The connection's own probe reports an outage; the next round looks again.
        this.#logger.debug({ stream: this.stream, error: String(error) }, 'tail: top check failed');
      }
    }
  }

  async #checkTop(): Promise<void> {
    const [epoch, last, own] = [this.#epoch, this.#last, this.#newest];
    const top = await this.#log.check(this.stream, last);
    if (!this.#live || epoch !== this.#epoch) return;
    this.lastValues.end(top.oldest, ENDED_AT_ONCE);
    if (top.epoch === epoch && holdsOurs(top, last, own)) {
      if (top.top <= this.#last) return await mendValues(this.#log, this, top, this.#logger);
      await sleep(IN_FLIGHT_MS, this.#stopping.signal);
      if (!this.#live || top.top <= this.#last) return;
      const state = { stream: this.stream, last: this.#last, top: top.top };
      this.#logger.warn(state, 'tail: announcements were lost');
    }
    await this.#catchUp();
  }
}
