import type { LogTop } from '../log/stream-log.js';
import type { StreamMessage } from './stream-message.js';

/** Whether the log still is the one that a tail has followed up to `last`, where its message was `ours`. */
export function isOurs({ top, first, own }: LogTop, last: number, ours: StreamMessage | undefined): boolean {
  if (top < last) return false;
  if (last === 0 || last < first || ours === undefined) return true;
  return own !== null && own.key === ours.key && own.time === ours.time && own.data === ours.data;
}
