import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import type { StreamMessage } from '../tail/stream-message.js';
import type { StreamTail } from '../tail/stream-tail.js';
import type { LogPages } from './log-pages.js';

/** A key with few messages is not searched for further back than this many messages of its stream. */
const SCAN_MAX_MESSAGES = 50_000;

/**
 * The newest `count` messages of each key (`*`: of the stream) up to `barrier`, ascending by seq, each once.
 * Fewer if the log, or the search limit, ends earlier.
 */
export async function rewind(
  tail: StreamTail,
  keys: ReadonlySet<string>,
  count: number,
  barrier: number,
  pages: LogPages,
): Promise<StreamMessage[]> {
  const missing = new Map<string, number>();
  for (const key of keys) {
    // A key that never had a message is not searched for.
    if (key === ALL_KEYS || tail.lastValues.has(key)) missing.set(key, count);
  }
  const found: StreamMessage[] = [];
  const take = (message: StreamMessage) => {
    const taken = [message.key, ALL_KEYS].filter((key) => missing.has(key));
    if (taken.length > 0) found.push(message);
    for (const key of taken) {
      const left = missing.get(key)! - 1;
      if (left === 0) missing.delete(key);
      else missing.set(key, left);
    }
  };
  const end = Math.max(0, barrier - SCAN_MAX_MESSAGES);
  let seq = barrier;
  while (seq > end && missing.size > 0) {
    const held = tail.window.get(seq);
    if (held !== undefined) {
      take(held);
      seq -= 1;
      continue;
    }
    const { messages } = await pages.read(tail, seq);
    const older = messages.filter((message) => message.seq <= seq);
    if (older.length === 0) break;
    for (const message of [...older].reverse()) {
      if (missing.size > 0) take(message);
    }
    seq = older[0]!.seq - 1;
  }
  return found.reverse();
}
