/**
 * The one place that knows how long to wait before trying again: doubled from 50 ms to a limit, with jitter, so that
 * the nodes of a cluster do not return in step.
 */
export class Backoff {
  readonly #maxMs: number;
  #failures = 0;

  /** @param options.maxMs the longest wait; 2 s by default */
  constructor({ maxMs = 2_000 }: { maxMs?: number } = {}) {
    this.#maxMs = maxMs;
  }

  /** Waits since the last {@link reset}. */
  get failures(): number {
    return this.#failures;
  }

  /** Waits longer after each call, until {@link reset}; ends early when `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    const ms = Math.min(this.#maxMs, 50 * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures = Math.min(this.#failures + 1, 10);
    await sleep(ms, signal);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Resolves after `ms`, or when `signal` aborts. Keeps no process alive. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms).unref();
    signal?.addEventListener('abort', done, { once: true });
  });
}
