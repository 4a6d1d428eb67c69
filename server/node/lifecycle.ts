/**
 * Starts, drains and stops the parts of a program: one list in one order.
 *
 * Parts start one after the other, in the order in which they were added. They stop in the opposite order, so that no
 * part loses one that it depends on. If a start fails or hangs, the parts started so far are stopped and the caller
 * gets the error; a drain or stop that fails or hangs does not keep other parts from stopping. A part that hangs is
 * named in the log.
 */
import type { Logger } from '../logger.js';
import { unlessAborted } from '../time/abort.js';

/** The actions of a part, which are all that the list knows about it. */
export interface Part {
  /** Starts the part. A part without it works as soon as it is added. */
  readonly start?: () => void | Promise<void>;
  /** Accepts nothing new and finishes what it has, while everything that it depends on still works. */
  readonly drain?: () => void | Promise<void>;
  /** Ends the part. Also called if its own start has failed half-way, or still hangs. */
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

/** The time that {@link Lifecycle.start} allows for stopping when a part could not start. */
const STOP_AFTER_FAILURE_MS = 10_000;
/** A part that has not started after this time is named in the log; it may merely be waiting for another program. */
const SLOW_START_MS = 5_000;

/** Limits of {@link Lifecycle.start}. */
export interface StartLimits {
  /** Time limit for all parts together. */
  readonly deadlineMs: number;
  /** When it aborts, nothing more starts, and the parts started so far stop. */
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

  /** @param name as errors and the log show it */
  add(name: string, part: Part): void {
    this.#parts.push({ name, part, isThere: part.start === undefined });
  }

  /**
   * @throws PartError of the first part that fails to start or does not in time, or the reason of the signal. By then
   * the parts started so far have been stopped.
   */
  async start({ deadlineMs, signal }: StartLimits): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    try {
      for (const entry of this.#parts) {
        signal?.throwIfAborted();
        // A part that fails half-way has something to stop, too.
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
   * Drains all parts at the same time. A part that fails, or does not drain in time, is logged, and still stopped
   * later.
   *
   * @param deadlineMs for each part
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
   * Stops the started parts, one after the other. A part that has not stopped when the time is up is abandoned, and the
   * parts after it are told to stop without being waited for.
   *
   * @param deadlineMs for all parts together
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

  /** The started parts, in the order in which they stop. */
  #there() {
    return this.#parts.filter(({ isThere }) => isThere).reverse();
  }

  #report({ part, message }: PartError, what: string): void {
    this.#logger.error({ part, error: message }, what);
  }
}

/** @throws Error if `work` is not done in time, or the reason of the signal; `work` itself continues */
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
