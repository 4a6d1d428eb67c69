import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import type { StreamMessage } from './stream-message.js';

/** By key: its newest message. */
export type LastValues = ReadonlyMap<string, StreamMessage>;

/** The newest message of each of these keys (`*`: of every key), ascending by seq. */
export function snapshot(lastValues: LastValues, keys: ReadonlySet<string>): StreamMessage[] {
  const newest = keys.has(ALL_KEYS)
    ? [...lastValues.values()]
    : [...keys].flatMap((key) => lastValues.get(key) ?? []);
  return newest.sort((a, b) => a.seq - b.seq);
}

/** As {@link snapshot}, of one key, without what has not changed after `since`, a seq. */
export function changedSince(lastValues: LastValues, key: string, since: number): StreamMessage[] {
  return snapshot(lastValues, new Set([key])).filter(({ seq }) => seq > since);
}
