import type { LogTop, StreamLog } from '../../log/stream-log.js';

/**
 * Where the log of a stream begins and ends, for recoveries. A thousand connections that return at once share a few
 * requests: a caller that asks while a request is under way gets its answer.
 */
export class LogTops {
  readonly #log: Pick<StreamLog, 'check'>;
  readonly #inFlight = new Map<string, Promise<LogTop>>();

  constructor(log: Pick<StreamLog, 'check'>) {
    this.#log = log;
  }

  /** May be as old as the request that is under way: a message committed since then is not in it. */
  recent(stream: string): Promise<LogTop> {
    return this.#inFlight.get(stream) ?? this.#ask(stream);
  }

  /** As of now, or later. */
  async now(stream: string): Promise<LogTop> {
    const before = this.#inFlight.get(stream);
    // The running request may be older than this call, so wait for the next one, which all later callers share.
    if (before !== undefined) await before.catch(() => undefined);
    return this.recent(stream);
  }

  #ask(stream: string): Promise<LogTop> {
    const asked = this.#log.check(stream, 0).finally(() => this.#inFlight.delete(stream));
    this.#inFlight.set(stream, asked);
    return asked;
  }
}
