import type { Logger } from '../logger.js';

/** Logs once that something began to fail, and once that it works again, no matter how often it is tried in between. */
export class Outage {
  readonly #logger: Logger;
  readonly #fields: object;
  readonly #what: string;
  #failures = 0;

  /** `what` is the subject of the log lines; each of them has the `fields`. */
  constructor(logger: Logger, what: string, fields: object = {}) {
    this.#logger = logger;
    this.#what = what;
    this.#fields = fields;
  }

  failed(reason: string): void {
    this.#failures += 1;
    if (this.#failures > 1) return;
    this.#logger.warn({ ...this.#fields, error: reason }, `${this.#what} fails; it is tried again`);
  }

  worked(): void {
    if (this.#failures === 0) return;
    this.#logger.info({ ...this.#fields, failures: this.#failures }, `${this.#what} works again`);
    this.#failures = 0;
  }
}

/** The text of what was thrown, for {@link Outage.failed}. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
