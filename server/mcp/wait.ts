import { formatPosition, parseCursor } from '@axiom-streaming/protocol/cursor';
import { topicName } from '@axiom-streaming/protocol/topic';
import { requireRead } from '../hub/access.js';
import type { Hub } from '../hub/hub.js';
import { type History, readHistory } from '../hub/operations/history.js';
import { READ_WAIT_MS, whenLive } from '../hub/operations/when-live.js';
import { sleep } from '../time/backoff.js';
import type { Caller } from './caller.js';
import { LOOK_MS, type MessageWaits } from './waits.js';

/**
 * Waits for messages of a topic after a cursor (default: after now), and returns as soon as there is one.
 *
 * It does not subscribe: a wait ends with its first message, so there is no reader that could become slow.
 *
 * @throws HubError as {@link readHistory} and {@link MessageWaits.enter}
 */
export async function waitForMessages(
  hub: Hub,
  waits: MessageWaits,
  request: {
    readonly topic: string;
    readonly since?: string | undefined;
    readonly limit: number;
    readonly maxBytes: number;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
  { principal, meter, address }: Caller,
): Promise<History> {
  const { limit, maxBytes, timeoutMs, signal } = request;
  const { stream, key } = hub.topic(request.topic, 'topic');
  requireRead(principal, { stream, key }, 'topic');
  const leave = waits.enter({ subject: principal.subject, address });
  try {
    const { tail } = hub.stream(stream);
    await whenLive(tail, READ_WAIT_MS);
    const topic = topicName(stream, key);
    const deadline = performance.now() + timeoutMs;
    let since = request.since;
    let [epoch, seq] = [tail.epoch, tail.last];
    for (;;) {
      if (since !== undefined) {
        const history = await readHistory(hub, { topic, since, limit, maxBytes }, principal, meter);
        const isOver = performance.now() >= deadline || signal.aborted;
        if (history.messages.length > 0 || history.recovered !== true || isOver) return history;
        since = history.cursor;
        // The walk to where the stream ends has stopped on its way.
        if (history.more) continue;
        const reached = parseCursor(since)!.get(stream)!;
        // Whatever woke it was not there to be read: never ask again in the same turn.
        if (reached.seq === seq) await sleep(LOOK_MS, signal);
        ({ epoch, seq } = reached);
      }
      const forMs = deadline - performance.now();
      const outcome = await waits.wait({ tail, key, epoch, seq, forMs, signal });
      since = formatPosition(stream, epoch, outcome.seq);
      if (!outcome.woken) return { topic, messages: [], cursor: since, more: false, recovered: true };
    }
  } finally {
    leave();
  }
}
