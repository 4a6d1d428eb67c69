import type { HistoryPage } from '@axiom-streaming/protocol/answers';
import { formatPosition, parseCursor } from '@axiom-streaming/protocol/cursor';
import type { Message } from '@axiom-streaming/protocol/message';
import type { HistoryRequest } from '@axiom-streaming/protocol/requests';
import { type Topic, topicName } from '@axiom-streaming/protocol/topic';
import { z } from 'zod';
import { HubError } from '../../errors.js';
import { FREE, HUB_ITSELF, type Meter, type Principal, requireRead } from '../access.js';
import type { Hub } from '../hub.js';
import { Toll } from '../recovery/toll.js';
import type { StreamMessage } from '../tail/stream-message.js';
import { cursor } from './fields.js';
import { inHistoryOrder, SOCKET_HISTORY_MAX_BYTES } from './history-order.js';
import { operation } from './operation.js';
import { READ_WAIT_MS, whenLive } from './when-live.js';

/** Past messages of a topic, as the log has them. */
export type History = HistoryPage<StreamMessage>;

/** Messages of one topic per call, unless the caller says less. */
export const HISTORY_DEFAULT_LIMIT = 100;
export const HISTORY_MAX_LIMIT = 1000;
/** Of the messages in one answer, bytes of JSON; one message is always given. Most answers are far smaller. */
const HISTORY_MAX_BYTES = 4 * 1024 * 1024;
/** Messages of a stream that one call with a cursor walks over, within a page; the next call goes on. */
export const HISTORY_MAX_WALK = 20_000;

export const historyRequest = z.strictObject({
  topic: z.string(),
  since: cursor.optional(),
  limit: z.number().int().min(1).max(HISTORY_MAX_LIMIT).optional(),
});

/**
 * The messages of a topic after a cursor, or its newest ones. What is walked over is paid for on the way.
 *
 * @param request.maxBytes of the messages together; default: {@link HISTORY_MAX_BYTES}
 * @param principal who asks; default: the hub itself
 * @param meter who pays; default: nobody
 * @throws HubError for a bad topic or cursor, `denied` or `token_missing`, `log_unavailable`, and `rate_limited` where
 *   too much is owed to go on
 */
export async function readHistory(
  hub: Hub,
  request: HistoryRequest & { readonly maxBytes?: number },
  principal: Principal = HUB_ITSELF,
  meter: Meter = FREE,
): Promise<History> {
  const { stream, key } = hub.topic(request.topic, 'topic');
  requireRead(principal, { stream, key }, 'topic');
  const { tail } = hub.stream(stream);
  await whenLive(tail, READ_WAIT_MS);
  const toll = Toll.strict(meter);
  const history = await read(hub, { ...request, stream, key }, toll);
  const wait = toll.found(history.messages.length);
  if (wait !== undefined) await wait;
  return history;
}

async function read(
  hub: Hub,
  request: HistoryRequest & Topic & { readonly maxBytes?: number },
  toll: Toll,
): Promise<History> {
  const { stream, key, since, maxBytes = HISTORY_MAX_BYTES } = request;
  const limit = request.limit ?? HISTORY_DEFAULT_LIMIT;
  const { tail } = hub.stream(stream);
  const topic = topicName(stream, key);
  const keys = new Set([key]);
  const page = async (): Promise<History> => {
    const [epoch, last] = [tail.epoch, tail.last];
    const messages = await hub.recovery.rewind(tail, { keys, count: limit, barrier: last, maxBytes }, toll);
    return { topic, messages, cursor: formatPosition(stream, epoch, last), more: false };
  };
  if (since === undefined) return page();

  const positions = parseCursor(since);
  if (positions === undefined) {
    throw new HubError('bad_cursor', 'since: this is not a cursor of this hub', { field: 'since' });
  }
  const [verdict] = await hub.recovery.judge([{ stream, key }], positions);
  const { epoch } = tail;
  if (verdict?.recovered !== true) {
    return { ...(await page()), recovered: false, reason: verdict?.reason ?? 'no_position' };
  }
  const answer = new Answer(limit, maxBytes);
  let seq = verdict.from;
  const { last } = tail;
  const end = Math.min(last, seq + HISTORY_MAX_WALK);
  while (seq < end && !answer.full) {
    const stretch = await hub.recovery.messagesAfter(tail, seq, keys);
    // The messages found belong to a past epoch of the log.
    if (tail.epoch !== epoch) return { ...(await page()), recovered: false, reason: 'epoch_changed' };
    for (const message of stretch.messages) answer.add(message);
    seq = answer.full ? answer.messages.at(-1)!.seq : Math.max(seq, stretch.to);
    const wait = toll.pay(stretch);
    if (wait !== undefined) await wait;
  }
  return {
    topic,
    messages: answer.messages,
    cursor: formatPosition(stream, epoch, seq),
    more: seq < tail.last && (answer.full || end < last),
    recovered: true,
  };
}

/** The messages of an answer, up to a number and a size. */
class Answer {
  readonly messages: StreamMessage[] = [];
  /** No further message is taken. */
  full = false;
  readonly #limit: number;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(limit: number, maxBytes: number) {
    this.#limit = limit;
    this.#maxBytes = maxBytes;
  }

  add(message: StreamMessage): void {
    if (this.full) return;
    this.#bytes += Buffer.byteLength(message.text);
    if (this.messages.length > 0 && this.#bytes > this.#maxBytes) this.full = true;
    else this.full = this.messages.push(message) >= this.#limit;
  }
}

export const HISTORY = operation<'history'>({
  summary: 'Reads past messages of one topic',
  schema: historyRequest,
  example: { topic: 'market:DEMO', limit: 5 },
  cost: 'request',
  run: ({ hub, subscriber, acknowledge }, request) =>
    inHistoryOrder(subscriber, async () => {
      const { access } = subscriber;
      const wanted = { ...request, maxBytes: SOCKET_HISTORY_MAX_BYTES };
      const { messages, ...history } = await readHistory(hub, wanted, access.principal, access);
      access.charge(
        'bytes_written',
        messages.reduce((sum, { text }) => sum + text.length, 0),
      );
      acknowledge({ ...history, messages: messages.map(({ text }) => JSON.parse(text) as Message) });
    }),
});
