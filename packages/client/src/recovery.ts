/** Follows a resumed connection until what was missed is here, and counts it. */
import type { TopicVerdict } from '@axiom-streaming/protocol/message';

/** What was missed has come if so long none of it came; it is only asked where the hub does not say the end itself. */
const QUIET_MS = 1_000;
/** A position tells the end of one stream's backfill; that of another stream may follow at once. */
const AFTER_POSITION_MS = 50;

export class CatchingUp {
  readonly topics: TopicVerdict[] = [];
  missed: number;
  readonly #missedBefore: number;
  readonly #done: (recovery: CatchingUp) => void;
  #awaited: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param options.requests how many acknowledgements are to come
   * @param options.missedBefore a message was missed if the log took it before this time, ms; what is newer is live. NaN: all was.
   *   Counting all that comes before the end would be wrong: one stream goes on live while another is still read.
   * @param options.already counted by an attempt that was cut off
   */
  constructor(
    options: { readonly requests: number; readonly missedBefore: number; readonly already: number },
    done: (recovery: CatchingUp) => void,
  ) {
    this.#awaited = options.requests;
    this.#missedBefore = options.missedBefore;
    this.missed = options.already;
    this.#done = done;
  }

  acknowledged(topics: readonly TopicVerdict[]): void {
    this.topics.push(...topics);
    this.#awaited -= 1;
    this.#settle(QUIET_MS);
  }

  message(time: number): void {
    if (time >= this.#missedBefore) return;
    this.missed += 1;
    this.#settle(QUIET_MS);
  }

  position(): void {
    this.#settle(AFTER_POSITION_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #settle(afterMs: number): void {
    clearTimeout(this.#timer);
    if (this.#awaited <= 0) this.#timer = setTimeout(() => this.#done(this), afterMs);
  }
}
