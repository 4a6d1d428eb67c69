/** One answer of `history` at a time for each connection, and none before its client has read those that came before. */
import { HubError } from '../../errors.js';
import { systemClock } from '../../time/clock.js';
import { StallWatch } from '../delivery/stall-watch.js';
import type { Subscriber } from '../delivery/subscriber.js';

/** Of the messages in one answer to a socket, bytes: beside what its subscriptions bring, it does not make it slow. */
export const SOCKET_HISTORY_MAX_BYTES = 512 * 1024;
/** Requests of a connection that may wait. */
const MAX_WAITING = 256;
const POLL_MS = 50;

interface Line {
  /** Resolves when the newest request is answered. */
  last: Promise<void>;
  length: number;
}

const lines = new WeakMap<Subscriber, Line>();

/**
 * Runs a request when the connection's earlier ones have been answered and their answers read; never, where the
 * connection has ended by then. One that takes nothing for 30 s is ended as slow.
 *
 * @throws HubError `overloaded` if too many wait, and whatever `work` throws
 */
export async function inHistoryOrder(subscriber: Subscriber, work: () => Promise<void>): Promise<void> {
  const line = lines.get(subscriber) ?? { last: Promise.resolve(), length: 0 };
  if (line.length >= MAX_WAITING) {
    throw new HubError('overloaded', `${MAX_WAITING} history requests of this connection are waiting`);
  }
  lines.set(subscriber, line);
  const before = line.last;
  let done: () => void = () => undefined;
  line.last = new Promise((resolve) => {
    done = resolve;
  });
  line.length += 1;
  try {
    await before;
    if (await isRead(subscriber)) await work();
  } finally {
    line.length -= 1;
    done();
  }
}

/** Waits until the client has read most of what waits for it. @returns false if the connection has ended */
async function isRead(subscriber: Subscriber): Promise<boolean> {
  const stall = new StallWatch(systemClock);
  for (;;) {
    if (subscriber.closed || subscriber.ended) return false;
    const waiting = subscriber.bufferedBytes();
    if (waiting <= SOCKET_HISTORY_MAX_BYTES) return true;
    if (stall.stalled(waiting)) subscriber.endSlow();
    else await new Promise<void>((resolve) => systemClock.after(POLL_MS, resolve));
  }
}
