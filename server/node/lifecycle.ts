/**
 * How the parts of a program start, drain and stop: one list in one order.
 *
 * Parts start in the order in which they were added, one after the other. They stop in the opposite order, so that none
 * loses what it stands on. A start that fails stops what was there by then and is told to the caller; a stop that fails
 * or hangs keeps no other part from stopping. Three lists, one for each of these, were kept in step by eye before.
 */
import type { Logger } from '../logger.js';

/** What a part does, and all that the list knows of it. */
export interface Part {
  /** Begins to work. A part without it works from the moment at which it is added. */
  readonly start?: () => void | Promise<void>;
  /** Takes nothing new and lets go of what it has, while everything that it stands on still works. */
  readonly drain?: () => void | Promise<void>;
  /** Ends. It is also called where its own start has failed half-way. */
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

export class Lifecycle {
  readonly #parts: { readonly name: string; readonly part: Part; isThere: boolean }[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param name as errors tell it */
  add(name: string, part: Part): void {
    this.#parts.push({ name, part, isThere: part.start === undefined });
  }

  /** @throws PartError of the first part that cannot start. What was there by then has been stopped. */
  async start(): Promise<void> {
    for (const entry of this.#parts) {
      // Also what fails half-way has something to stop.
      entry.isThere = true;
      try {
        await entry.part.start?.();
      } catch (error) {
        await this.stop(STOP_AFTER_FAILURE_MS).catch(() => undefined);
        throw new PartError(entry.name, error);
      }
    }
  }

  /** Drains all parts at the same time. What fails is logged, and stopped later all the same. */
  async drain(): Promise<void> {
    const draining = this.#there().map(async ({ name, part }) => {
      try {
        await part.drain?.();
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
        await within(deadline - performance.now(), async () => entry.part.stop?.());
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

/** @throws Error where `work` is not done in time; it goes on alone then */
async function within(ms: number, work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it did not end in time')), Math.max(0, ms));
  });
  try {
    await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
