/** What waits for a connection: it is handed to the next one, in its order, or refused. */
import { HubError } from './hub-error.js';
import type { Link } from './link.js';

/** Characters of JSON that wait at most. */
const MAX_WAITING = 1 << 20;

type Timer = ReturnType<typeof setTimeout>;

export interface Waiter {
  send(link: Link): void;
  refuse(error: HubError): void;
}

export class Waiting {
  readonly #waiters = new Map<Waiter, { readonly size: number; readonly timer: Timer | undefined }>();
  #size = 0;

  /**
   * @param body what it will send
   * @param ms after this time it is refused; undefined: it waits for as long as it takes
   * @param why with what it is refused then
   */
  add(waiter: Waiter, body: unknown, ms: number | undefined, why: () => HubError): void {
    const size = JSON.stringify(body).length;
    if (this.#size + size > MAX_WAITING) {
      waiter.refuse(new HubError('overloaded', 'too much waits for a connection'));
      return;
    }
    this.#size += size;
    const timer =
      ms === undefined ? ms : setTimeout(() => this.#take(waiter, () => waiter.refuse(why())), ms);
    this.#waiters.set(waiter, { size, timer });
  }

  /** There is a connection. */
  send(link: Link): void {
    this.#each((waiter) => waiter.send(link));
  }

  /** There will be none. */
  refuse(error: HubError): void {
    this.#each((waiter) => waiter.refuse(error));
  }

  #each(run: (waiter: Waiter) => void): void {
    for (const waiter of this.#waiters.keys()) this.#take(waiter, run);
  }

  #take(waiter: Waiter, run: (waiter: Waiter) => void): void {
    const entry = this.#waiters.get(waiter);
    clearTimeout(entry?.timer);
    this.#size -= entry?.size ?? 0;
    this.#waiters.delete(waiter);
    run(waiter);
  }
}
