/** Follows a connection that was lost and made again until what was missed is here, and counts it. */
import type { Recovery, Verdict } from './types.js';

/**
 * What was missed has come when none of it came for this time; it is only asked where the hub does not say the end
 * itself.
 */
const QUIET_MS = 1_000;
/** A position tells the end of one stream's backfill; that of another stream may follow at once. */
const AFTER_POSITION_MS = 50;

export class CatchUp {
  readonly #done: (came: Pick<Recovery, 'topics' | 'missed' | 'awayMs'>) => void;
  #topics: Verdict[] = [];
  /** Also what was counted by an attempt that was cut off. */
  #missed = 0;
  #lostAt: number | undefined;
  #awayMs = 0;
  /** Acknowledgements that are to come. NaN: there is nothing to catch up with. */
  #awaited = Number.NaN;
  /**
   * A message was missed if the log took it before this time, ms; what is newer is live. NaN: all was. Counting all
   * that comes before the end would be wrong: one stream goes on live while another is still read.
   */
  #missedBefore = Number.NEGATIVE_INFINITY;
  /**
   * Least difference ever seen between a message's arrival and its time: both clocks' and the shortest way. NaN: none
   * yet.
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

  /** There is a connection. @param requests how many acknowledgements are to come; 0: nothing was read before */
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

  /** @param isNew whether anybody had not had it yet */
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

  /** Cut off again: what has come of it counts when the rest has come. */
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
