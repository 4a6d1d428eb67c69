/** Follows a reconnected connection until all missed messages have arrived, and counts them. */
import type { Recovery, Verdict } from './types.js';

/**
 * Missed messages count as complete when none has arrived for this time; only used if the hub does not announce the
 * end.
 */
const QUIET_MS = 1_000;
/** A position marks the end of one stream's backfill; that of another stream may follow at once. */
const AFTER_POSITION_MS = 50;

export class CatchUp {
  readonly #done: (came: Pick<Recovery, 'topics' | 'missed' | 'awayMs'>) => void;
  #topics: Verdict[] = [];
  /** Includes messages counted by an attempt that was cut off. */
  #missed = 0;
  #lostAt: number | undefined;
  #awayMs = 0;
  /** Acknowledgements that are still expected. NaN: there is nothing to catch up with. */
  #awaited = Number.NaN;
  /**
   * A message counts as missed if the log took it before this time, ms; newer ones are live. NaN: all were missed. It
   * would be wrong to count all messages before the end, because one stream is live while another is still being
   * backfilled.
   */
  #missedBefore = Number.NEGATIVE_INFINITY;
  /**
   * Smallest difference seen so far between the arrival of a message and its time: the offset of the clocks plus the
   * shortest travel time. NaN: none yet.
   */
  #clockAheadMs = Number.NaN;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(done: (came: Pick<Recovery, 'topics' | 'missed' | 'awayMs'>) => void) {
    this.#done = done;
  }

  get isAway(): boolean {
    return this.#lostAt !== undefined;
  }

  /** The connection is gone. */
  lost(): void {
    this.#lostAt ??= Date.now();
  }

  /** There is a connection. @param requests the number of expected acknowledgements; 0: nothing was read before */
  back(requests: number): void {
    const now = Date.now();
    this.#awayMs = now - (this.#lostAt ?? now);
    if (requests === 0) {
      this.#lostAt = undefined;
      return;
    }
    this.#topics = [];
    this.#awaited = requests;
    this.#missedBefore = now - this.#clockAheadMs;
  }

  acknowledged(topics: readonly Verdict[]): void {
    this.#topics.push(...topics);
    this.#awaited -= 1;
    this.#settle(QUIET_MS);
  }

  /** @param isNew whether it was new to any reading */
  message(time: number, isNew: boolean): void {
    const difference = Date.now() - time;
    if (!(difference >= this.#clockAheadMs)) this.#clockAheadMs = difference;
    if (!isNew || time >= this.#missedBefore) return;
    this.#missed += 1;
    this.#settle(QUIET_MS);
  }

  position(): void {
    this.#settle(AFTER_POSITION_MS);
  }

  /** Cut off again: what has arrived counts once the rest has arrived. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#awaited = Number.NaN;
    this.#missedBefore = Number.NEGATIVE_INFINITY;
  }

  #settle(afterMs: number): void {
    clearTimeout(this.#timer);
    if (this.#awaited <= 0) this.#timer = setTimeout(() => this.#finish(), afterMs);
  }

  #finish(): void {
    const missed = this.#missed;
    this.stop();
    this.#lostAt = undefined;
    this.#missed = 0;
    this.#done({ topics: this.#topics, missed, awayMs: this.#awayMs });
  }
}
