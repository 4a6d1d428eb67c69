/**
 * How the parts of a program start, drain and stop: one list in one order.
 *
 * Parts start in the order in which they were added, one after the other. They stop in the opposite order, so that none
 * loses what it stands on. A start that fails or hangs stops what was there by then and is told to the caller; a drain or
 * stop that fails or hangs keeps no other part from stopping. A part that hangs is named in the log. Three lists, one for
 * each of these, were kept in step by eye before.
 */
import type { Logger } from '../logger.js';
import { unlessAborted } from '../time/abort.js';

/** What a part does, and all that the list knows of it. */
export interface Part {
  /** Begins to work. A part without it works from the moment at which it is added. */
  readonly start?: () => void | Promise<void>;
  /** Takes nothing new and lets go of what it has, while everything that it stands on still works. */
  readonly drain?: () => void | Promise<void>;
  /** Ends. It is also called where its own start has failed half-way, or still hangs. */
  readonly stop?: () => void | Promise<void>;
}

/** A part that could not start, stop or drain. Its `code` is that of the cause, e.g. `EADDRINUSE`. */
export class PartError extends Error {
  readonly part: string;
  readonly code: unknown;

  constructor(part: string, cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause);
    super(`${part}: ${text || String((cause as { code?: unknown }).code)}`, { cause });
    this.name = 'PartError';
    this.part = part;
    this.code = (cause as { code?: unknown } | undefined)?.code;
  }
}

/** What {@link Lifecycle.start} allows for stopping when a part could not start. */
const STOP_AFTER_FAILURE_MS = 10_000;
/** A part that has not started after this time is named in the log. It may only wait for another program. */
const SLOW_START_MS = 5_000;

/** How long {@link Lifecycle.start} may take. */
export interface StartLimits {
  /** For all parts together. */
  readonly deadlineMs: number;
  /** When it aborts, nothing more starts, and what was there stops. */
  readonly signal?: AbortSignal | undefined;
}

export class Lifecycle {
  readonly #parts: { readonly name: string; readonly part: Part; isThere: boolean }[] = [];
  readonly #logger: Logger;
  readonly #slowStartMs: number;

  /** @param options.slowStartMs after this time a part that has not started is named in the log; 5 s by default */
  constructor(logger: Logger, { slowStartMs = SLOW_START_MS }: { slowStartMs?: number } = {}) {
    this.#logger = logger;
    this.#slowStartMs = slowStartMs;
  }

  /** @param name as errors tell it */
  add(name: string, part: Part): void {
    this.#parts.push({ name, part, isThere: part.start === undefined });
  }

  /**
   * @throws PartError of the first part that cannot start, or has not in time, and the reason of the signal. What was
   *   there by then has been stopped.
   */
  async start({ deadlineMs, signal }: StartLimits): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    try {
      for (const entry of this.#parts) {
        signal?.throwIfAborted();
        // Also what fails half-way has something to stop.
        entry.isThere = true;
        await this.#startPart(entry, deadline, signal);
      }
      signal?.throwIfAborted();
    } catch (error) {
      await this.stop(STOP_AFTER_FAILURE_MS).catch(() => undefined);
      throw error;
    }
  }

  async #startPart({ name, part }: { name: string; part: Part }, deadline: number, signal?: AbortSignal) {
    const slow = setTimeout(() => {
      this.#logger.warn({ part: name }, 'lifecycle: a part takes long to start');
    }, this.#slowStartMs);
    try {
      await within('start', deadline - performance.now(), async () => part.start?.(), signal);
    } catch (error) {
      if (signal?.aborted && error === signal.reason) throw error;
      throw new PartError(name, error);
    } finally {
      clearTimeout(slow);
    }
  }

  /**
   * Drains all parts at the same time. What fails, or has not drained in time, is logged, and stopped later all the same.
   *
   * @param deadlineMs for each of them
   */
  async drain(deadlineMs: number): Promise<void> {
    const draining = this.#there().map(async ({ name, part }) => {
      try {
        await within('drain', deadlineMs, async () => part.drain?.());
      } catch (error) {
        this.#report(new PartError(name, error), 'lifecycle: a part could not drain');
      }
    });
    await Promise.all(draining);
  }

  /**
   * Stops what is there, one part after the other. A part that has not stopped when the time is over is left behind, and
   * those after it are told to stop without being waited for.
   *
   * @param deadlineMs for all of them together
   * @throws AggregateError of a PartError for each part that did not stop; all have been told to
   */
  async stop(deadlineMs: number): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    const errors: PartError[] = [];
    for (const entry of this.#there()) {
      entry.isThere = false;
      try {
        await within('stop', deadline - performance.now(), async () => entry.part.stop?.());
      } catch (error) {
        const failed = new PartError(entry.name, error);
        errors.push(failed);
        this.#report(failed, 'lifecycle: a part could not stop');
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, errors.map(({ message }) => message).join('; '));
  }

  /** Parts that work, those first which stand on the others. */
  #there() {
    return this.#parts.filter(({ isThere }) => isThere).reverse();
  }

  #report({ part, message }: PartError, what: string): void {
    this.#logger.error({ part, error: message }, what);
  }
}

/** @throws Error where `work` is not done in time, and the reason of the signal; `work` goes on alone then */
async function within(
  what: 'start' | 'drain' | 'stop',
  ms: number,
  work: () => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`it did not ${what} in time`)), Math.max(0, ms));
  try {
    await unlessAborted(work(), signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]));
  } finally {
    clearTimeout(timer);
  }
}
