/** Requests that wait for a connection: they are passed to the next one, in order, or refused. */
import type { Link } from './link.js';

/** Most characters of JSON that may wait. */
const MAX_WAITING = 1 << 20;

/** Called once, with the connection; without one if there is none in time, or never again. */
export type Waiter = (link?: Link) => void;

export class Waiting {
  readonly #waiters = new Set<Waiter>();
  #size = 0;

  /**
   * @param body the request that it will send
   * @param ms longest time that it waits; undefined: without limit
   * @returns false if too much waits already: it will not be called
   */
  add(waiter: Waiter, body: unknown, ms: number | undefined): boolean {
    const { length } = JSON.stringify(body);
    if (this.#size + length > MAX_WAITING) return false;
    this.#size += length;
    const pass = (link?: Link) => {
      clearTimeout(timer);
      this.#size -= length;
      this.#waiters.delete(pass);
      waiter(link);
    };
    const timer = ms === undefined ? ms : setTimeout(() => pass(), ms);
    this.#waiters.add(pass);
    return true;
  }

  /** There is a connection, or will not be one for now. */
  pass(link?: Link): void {
    for (const pass of this.#waiters) pass(link);
  }
}
