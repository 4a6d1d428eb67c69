/** What a flush writes to. */
export interface Flushable {
  flush(): void;
}

/** After a flush the next one waits for this many times what it took, up to the window: at most a third of the time
 * is spent writing before frames are joined instead. */
const REST_PER_COST = 2;

/**
 * When subscribers are written to. Frames wait until the present turn of the event loop has ended, and under load a
 * little longer: the rest after a flush grows with what the flush cost, from nothing up to `windowMs`. So a message
 * leaves at once while there is little to do, and one write carries many messages when there is much.
 */
export class Flusher {
  readonly #windowMs: number;
  #waiting: Flushable[] = [];
  #scheduled = false;
  #restUntil = 0;
  #after: (() => void)[] = [];
  /** Counts flushes; each begins chains of its own. */
  round = 1;

  /** @param windowMs longest time that a message waits for others; 0: never */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** The target got its first frame since the last flush. */
  add(flushable: Flushable): void {
    this.#waiting.push(flushable);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const wait = this.#restUntil - performance.now();
    if (wait < 1) setImmediate(this.#flush);
    else setTimeout(this.#flush, wait);
  }

  /** Calls back when everything that waits now has been written: at once if nothing waits. */
  afterFlush(done: () => void): void {
    if (this.#scheduled) this.#after.push(done);
    else done();
  }

  readonly #flush = (): void => {
    const started = performance.now();
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#scheduled = false;
    this.round += 1;
    for (const flushable of waiting) flushable.flush();
    const ended = performance.now();
    if (this.#after.length > 0) {
      for (const done of this.#after) done();
      this.#after = [];
    }
    this.#restUntil = ended + Math.min(this.#windowMs, REST_PER_COST * (ended - started));
  };
}
