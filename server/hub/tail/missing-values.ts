/** What a node does about last values that a log has lost, in part or all: its own memory has them. */
import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import type { LogEntry, LogTop, StreamLog } from '../../log/stream-log.js';
import type { Logger } from '../../logger.js';
import type { NewestByKey } from './last-values.js';
import type { TailPosition } from './tail-ports.js';

/** Messages in one read of the log. */
const PAGE = 512;

/**
 * Whether a log has fewer last values than it must have. Those that are too old may have ended there first.
 *
 * @param since how many messages came after the log was asked: each may be of a new key
 */
function hasTooFew({ keys, oldest }: LogTop, ours: NewestByKey, since: number): boolean {
  if (keys === undefined || keys + since >= ours.size) return false;
  let young = 0;
  for (const { time } of ours.values()) if (time >= oldest) young += 1;
  return keys + since < young;
}

/**
 * Puts back what the log has lost: Redis evicted it, or somebody deleted it by hand. To be called when a tail has followed
 * the log up to what it was asked.
 */
export async function mendValues(
  log: Pick<StreamLog, 'lastValues' | 'restore'>,
  tail: TailPosition & { readonly lastValues: NewestByKey },
  top: LogTop,
  logger: Logger,
): Promise<void> {
  const { stream, epoch, lastValues } = tail;
  if (!hasTooFew(top, lastValues, tail.last - top.top)) return;
  const { tombstone } = lastValues;
  const ours = [...lastValues.values()];
  const there = new Set((await log.lastValues(stream)).map(({ key }) => key));
  const missing = ours.filter(
    (message) =>
      message.time >= top.oldest &&
      !there.has(message.key) &&
      // One that has changed meanwhile is in the log by now, or was deleted.
      lastValues.get(message.key) === message,
  );
  if (missing.length === 0) return;
  const restored = await log.restore(stream, epoch, tombstone, missing);
  if (restored > 0) logger.error({ stream, restored }, 'tail: the log had lost last values; they are back');
}

/**
 * Puts back the last values that the messages of a log still tell, where it has lost all of them and no node remembers any.
 * Those whose messages were trimmed stay lost.
 */
export async function rebuildValues(
  log: Pick<StreamLog, 'range' | 'restore'>,
  stream: string,
  { epoch, first, top, oldest, tombstone = 0 }: LogTop,
): Promise<void> {
  const newest = new Map<string, LogEntry>();
  for (let from = first; from <= top; ) {
    const entries = await log.range(stream, from, top, PAGE);
    for (const entry of entries) {
      if (entry.data === TOMBSTONE) newest.delete(entry.key);
      else newest.set(entry.key, entry);
    }
    from = (entries.at(-1)?.seq ?? top) + 1;
  }
  const young = [...newest.values()].filter(({ time }) => time >= oldest);
  if (epoch !== null && young.length > 0) await log.restore(stream, epoch, tombstone, young);
}
