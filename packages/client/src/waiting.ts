/** Requests that wait for a connection: they are passed to the next one, in order, or refused. */
import { HubError } from './hub-error.js';
import type { Link } from './link.js';

/** Most characters of JSON that may wait. */
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
   * @param body the request that it will send
   * @param ms time after which it is refused; undefined: it waits without limit
   * @param why the error with which it is then refused
   */
  add(waiter: Waiter, body: unknown, ms: number | undefined, why: () => HubError): void {
    const size = JSON.stringify(body).length;
    if (this.#size + size > MAX_WAITING) {
      waiter.refuse(new HubError('overloaded', 'too much waits'));
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

  /** There will be no connection. */
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
