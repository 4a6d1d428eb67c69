import type { LogTop } from '../../log/stream-log.js';
import type { StreamMessage } from './stream-message.js';

/**
 * Whether a log is still the one that was followed up to `last`, a seq.
 *
 * @param ours the message that was received under that seq, if known
 */
export function holdsOurs(
  { top, first, own, lost }: LogTop,
  last: number,
  ours: StreamMessage | undefined,
): boolean {
  if (top < last || lost === 'messages') return false;
  if (last === 0 || last < first || ours === undefined) return true;
  return own !== null && own.key === ours.key && own.time === ours.time && own.data === ours.data;
}
