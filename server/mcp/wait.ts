import { HubError } from '../errors.js';
import type { Meter, Principal } from '../hub/access.js';
import type { Hub } from '../hub/hub.js';
import { type History, readHistory } from '../hub/operations/history.js';
import { sleep } from '../time/backoff.js';

const POLL_MS = 25;

/** How many requests on this node are waiting for messages. */
export interface MessageWaits {
  readonly max: number;
  now: number;
}

/**
 * Waits for messages of a topic after a cursor (default: after now), and returns as soon as there is one.
 *
 * It polls the stream's last seq, a number in memory, instead of subscribing: a wait ends with its first message, so
 * there is no reader that could become slow.
 *
 * @throws HubError as {@link readHistory}, and `overloaded` if too many requests are waiting already.
 */
export async function waitForMessages(
  hub: Hub,
  waits: MessageWaits,
  request: {
    readonly topic: string;
    readonly since?: string | undefined;
    readonly limit: number;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
  { principal, meter }: { readonly principal: Principal; readonly meter: Meter },
): Promise<History> {
  const { topic, limit, timeoutMs, signal } = request;
  if (waits.now >= waits.max)
    throw new HubError('overloaded', `${waits.max} requests are already waiting on this node`);
  waits.now += 1;
  try {
    const since = request.since ?? (await readHistory(hub, { topic, limit: 1 }, principal, meter)).cursor;
    const { tail } = hub.stream(hub.topic(topic, 'topic').stream);
    const deadline = performance.now() + timeoutMs;
    let cursor = since;
    for (;;) {
      const seen = tail.last;
      const history = await readHistory(hub, { topic, since: cursor, limit }, principal, meter);
      const isOver = performance.now() >= deadline || signal.aborted;
      if (history.messages.length > 0 || history.recovered === false || isOver) return history;
      ({ cursor } = history);
      // The walk to where the stream ends has stopped on its way.
      if (history.more) continue;
      while (tail.last === seen && performance.now() < deadline && !signal.aborted)
        await sleep(POLL_MS, signal);
    }
  } finally {
    waits.now -= 1;
  }
}
