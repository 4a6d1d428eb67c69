/** Reads the replies of Redis to the scripts and commands of the stream log. */
import type { Reply } from '../redis/redis-link.js';
import type { AppendRefusal, AppendResult, LogEntry } from './stream-log.js';

const REFUSALS: ReadonlyMap<string, AppendRefusal> = new Map([
  ['C', 'conflict'],
  ['P', 'passed'],
  ['K', 'too_many_keys'],
  ['V', 'values_full'],
  ['W', 'values_of_subject'],
  ['S', 'keys_of_subject'],
  ['B', 'bytes_of_subject'],
  ['U', 'unknown_key'],
  ['I', 'ids_full'],
]);

/** The outcome for one entry of `append.lua`. @param epoch and time of the call */
export function appendResult(reply: Reply, epoch: string, time: number): AppendResult {
  if (typeof reply === 'number') return { status: 'appended', seq: reply, epoch, time };
  const text = String(reply);
  const status = REFUSALS.get(text);
  if (status !== undefined) return { status };
  const [seq, firstEpoch, firstTime] = text.split(' ');
  return { status: 'duplicate', seq: Number(seq), epoch: String(firstEpoch), time: Number(firstTime) };
}

/** An entry of the log. @param fields t, time, k, key, d, data */
export function logEntry(seq: number, fields: readonly Reply[]): LogEntry {
  const [, time, , key, , data] = fields;
  return { seq, time: Number(time), key: String(key), data: String(data) };
}

/** The last values in a reply to HGETALL, ascending by seq. */
export function lastValues(fields: readonly Reply[]): LogEntry[] {
  const entries: LogEntry[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const value = String(fields[i + 1]);
    const afterSeq = value.indexOf(' ');
    const afterTime = value.indexOf(' ', afterSeq + 1);
    entries.push({
      seq: Number(value.slice(0, afterSeq)),
      time: Number(value.slice(afterSeq + 1, afterTime)),
      key: String(fields[i]),
      data: value.slice(afterTime + 1),
    });
  }
  return entries.sort((a, b) => a.seq - b.seq);
}

/** A reply that is a list. @throws Error for any other */
export function list(reply: Reply | undefined): Reply[] {
  if (!Array.isArray(reply)) throw new Error(`expected a list from Redis, got ${JSON.stringify(reply)}`);
  return reply;
}
