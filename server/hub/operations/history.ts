import type { HistoryPage } from '@axiom-streaming/protocol/answers';
import { formatPosition, parseCursor } from '@axiom-streaming/protocol/cursor';
import type { Message } from '@axiom-streaming/protocol/message';
import type { HistoryRequest } from '@axiom-streaming/protocol/requests';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import { z } from 'zod';
import { HubError } from '../../errors.js';
import { HUB_ITSELF, type Principal, requireRead } from '../access.js';
import type { Hub } from '../hub.js';
import type { StreamMessage } from '../tail/stream-message.js';
import { cursor } from './fields.js';
import { operation } from './operation.js';
import { READ_WAIT_MS, whenLive } from './when-live.js';

/** Past messages of a topic, as the log has them. */
export type History = HistoryPage<StreamMessage>;

/** Messages of one topic per call, unless the caller says less. */
export const HISTORY_DEFAULT_LIMIT = 100;
export const HISTORY_MAX_LIMIT = 1000;

export const historyRequest = z.strictObject({
  topic: z.string(),
  since: cursor.optional(),
  limit: z.number().int().min(1).max(HISTORY_MAX_LIMIT).optional(),
});

/**
 * The messages of a topic after a cursor, or its newest ones.
 *
 * @param principal who asks; default: the hub itself
 * @throws HubError for a bad topic or cursor, `denied` or `token_missing`, and `log_unavailable`.
 */
export async function readHistory(
  hub: Hub,
  request: HistoryRequest,
  principal: Principal = HUB_ITSELF,
): Promise<History> {
  const { stream, key } = hub.topic(request.topic, 'topic');
  requireRead(principal, { stream, key }, 'topic');
  const limit = request.limit ?? HISTORY_DEFAULT_LIMIT;
  const { tail } = hub.stream(stream);
  await whenLive(tail, READ_WAIT_MS);
  const topic = topicName(stream, key);
  const page = async (): Promise<History> => {
    const [epoch, last] = [tail.epoch, tail.last];
    const messages = await hub.recovery.rewind(tail, new Set([key]), limit, last);
    return { topic, messages, cursor: formatPosition(stream, epoch, last), more: false };
  };
  if (request.since === undefined) return page();

  const positions = parseCursor(request.since);
  if (positions === undefined) {
    throw new HubError('bad_cursor', 'since: this is not a cursor of this hub', { field: 'since' });
  }
  const [verdict] = await hub.recovery.judge([{ stream, key }], positions);
  const { epoch } = tail;
  if (verdict?.recovered !== true) {
    return { ...(await page()), recovered: false, reason: verdict?.reason ?? 'no_position' };
  }
  const found: StreamMessage[] = [];
  let seq = verdict.from;
  const end = tail.last;
  while (seq < end && found.length < limit) {
    const { to, messages } = await hub.recovery.messagesAfter(tail, seq);
    // The messages found belong to a past epoch of the log.
    if (tail.epoch !== epoch) return { ...(await page()), recovered: false, reason: 'epoch_changed' };
    for (const message of messages) {
      if (found.length >= limit) break;
      seq = message.seq;
      if (key === ALL_KEYS || message.key === key) found.push(message);
    }
    if (found.length < limit) seq = Math.max(seq, to);
  }
  const cursor = formatPosition(stream, epoch, seq);
  return { topic, messages: found, cursor, more: seq < tail.last && found.length >= limit, recovered: true };
}

export const HISTORY = operation<'history'>({
  summary: 'Reads past messages of one topic',
  schema: historyRequest,
  example: { topic: 'market:DEMO', limit: 5 },
  cost: 'request',
  run: async ({ hub, subscriber, acknowledge }, request) => {
    const { messages, ...history } = await readHistory(hub, request, subscriber.access.principal);
    acknowledge({ ...history, messages: messages.map(({ text }) => JSON.parse(text) as Message) });
  },
});
