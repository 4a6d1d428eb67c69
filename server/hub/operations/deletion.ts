import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import { HubError } from '../../errors.js';
import type { Hub } from '../hub.js';

/** What was deleted. */
export interface Deleted {
  readonly topic: string;
  /** How many keys have no value any more. */
  readonly keys: number;
  /** The epoch in force afterwards: of a whole stream, a new one. */
  readonly epoch: string;
  /** Of one key: seq of the message that tells its readers. */
  readonly seq?: number;
}

/**
 * Deletes a key, or everything that a stream holds (`*`).
 *
 * A deleted key has no value: it is not in snapshots, and counts no longer as a key of its stream. Its readers get a
 * message that says so; what was published before stays in the log until retention takes it. A stream that is emptied
 * begins a new epoch, and every cursor of it is out of date.
 *
 * @param field the field of the request that has the topic
 * @throws HubError `bad_topic`, `unknown_stream`, `not_found` for a key without a value, `log_unavailable`
 */
export async function deleteTopic(hub: Hub, text: string, field: string): Promise<Deleted> {
  const { stream, key } = hub.topic(text, field);
  const topic = topicName(stream, key);
  if (key === ALL_KEYS) return { topic, ...(await hub.log.clear(stream)) };
  const [result] = await hub.log.append(stream, [{ key, data: TOMBSTONE }]);
  if (result?.status !== 'appended') {
    throw new HubError('not_found', `${field}: "${topic}" has no value to delete`, { field });
  }
  return { topic, keys: 1, epoch: result.epoch, seq: result.seq };
}
