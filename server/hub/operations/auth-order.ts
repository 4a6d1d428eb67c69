/** Requests of a connection that arrive while its token is being looked at. */
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { Subscriber } from '../delivery/subscriber.js';

/**
 * What the requests of one connection that wait behind an `auth` may take, bytes. Beyond it the connection is ended.
 */
const MAX_WAITING_BYTES = 1024 * 1024;
/** What a request takes beside its text, bytes. */
const OVERHEAD_BYTES = 512;

interface Queue {
  /** Resolves when the newest `auth` is done. */
  last: Promise<void>;
  /** Requests that wait, and `auth` requests that wait or run. */
  requests: number;
  bytes: number;
}

/**
 * Keeps requests behind an `auth` until that is answered, so that a client may send what needs its token right after
 * it. Requests of a connection without a pending `auth` start at once. `auth` requests run one after the other: what
 * the second may do depends on whose token the first was.
 */
export class AuthOrder {
  readonly #queues = new WeakMap<Subscriber, Queue>();

  /**
   * Runs a request when its turn has come; never, where its connection has ended by then.
   *
   * @param body is measured only if the request has to wait
   */
  run(
    subscriber: Subscriber,
    { isAuth, body }: { isAuth: boolean; body: unknown },
    work: () => Promise<void>,
  ): Promise<void> {
    const queue = this.#queues.get(subscriber);
    if (isAuth) return this.#auth(subscriber, queue, body, work);
    return queue === undefined ? work() : this.#behind(subscriber, queue, body, work);
  }

  async #auth(
    subscriber: Subscriber,
    existing: Queue | undefined,
    body: unknown,
    work: () => Promise<void>,
  ): Promise<void> {
    const queue = existing ?? { last: Promise.resolve(), requests: 0, bytes: 0 };
    this.#queues.set(subscriber, queue);
    const before = queue.last;
    let done: () => void = () => undefined;
    queue.last = new Promise((resolve) => {
      done = resolve;
    });
    queue.requests += 1;
    try {
      if (existing === undefined) await work();
      else if (await waits(subscriber, queue, body, before)) await work();
    } finally {
      done();
      this.#leave(subscriber, queue);
    }
  }

  async #behind(
    subscriber: Subscriber,
    queue: Queue,
    body: unknown,
    work: () => Promise<void>,
  ): Promise<void> {
    queue.requests += 1;
    let hasTurn = false;
    try {
      hasTurn = await waits(subscriber, queue, body, queue.last);
    } finally {
      this.#leave(subscriber, queue);
    }
    if (hasTurn) await work();
  }

  #leave(subscriber: Subscriber, queue: Queue): void {
    queue.requests -= 1;
    if (queue.requests === 0) this.#queues.delete(subscriber);
  }
}

/** Waits for an `auth`. @returns whether the connection is still there */
async function waits(
  subscriber: Subscriber,
  queue: Queue,
  body: unknown,
  before: Promise<void>,
): Promise<boolean> {
  const bytes = OVERHEAD_BYTES + sizeOf(body);
  queue.bytes += bytes;
  if (queue.bytes > MAX_WAITING_BYTES) subscriber.close(CLOSE.tooMany);
  await before;
  queue.bytes -= bytes;
  return !subscriber.ended && !subscriber.closed;
}

function sizeOf(body: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(body) ?? '');
  } catch {
    // Nested too deep to be written, so refused when it is read; meanwhile it counts as much as fits.
    return MAX_WAITING_BYTES;
  }
}
