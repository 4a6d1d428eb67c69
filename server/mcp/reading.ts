/** What the tools and resources answer, in pages that a model can read: bounded in number and in bytes. */
import { formatPosition } from '@axiom-streaming/protocol/cursor';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import { HubError } from '../errors.js';
import { requireRead } from '../hub/access.js';
import type { Hub, HubStream } from '../hub/hub.js';
import type { History } from '../hub/operations/history.js';
import { eachInSlices, listKeys, Smallest } from '../hub/operations/key-list.js';
import type { StreamMessage } from '../hub/tail/stream-message.js';
import type { Caller } from './caller.js';

/** Of the messages in one answer, bytes; one message always comes. */
export const ANSWER_MAX_BYTES = 256 * 1024;
/** Topics of each stream in a list of streams. */
const FEW_TOPICS = 20;
/** Topics in a page of one stream, or of resources. */
const PAGE_TOPICS = 100;

export function historyOf({ messages, ...history }: History) {
  return { ...history, messages: messages.map(parsed) };
}

/** The newest message of a topic; of a whole stream, of each key, newest first, those before a seq. */
export async function latest(
  hub: Hub,
  { topic, limit, before }: { topic: string; limit: number; before?: number | undefined },
  { principal, meter }: Caller,
) {
  const { stream, key } = hub.topic(topic, 'topic');
  requireRead(principal, { stream, key }, 'topic');
  const { tail } = hub.stream(stream);
  const cursor = formatPosition(stream, tail.epoch, tail.last);
  const newest = new Smallest<StreamMessage>(limit + 1, (a, b) => b.seq - a.seq);
  const look = (message: StreamMessage | undefined) => {
    if (message === undefined || (before !== undefined && message.seq >= before)) return;
    if (newest.wants(message)) newest.add(message);
  };
  const { lastValues } = tail;
  if (key === ALL_KEYS) await eachInSlices(lastValues.values(), lastValues.size, meter, look);
  else look(lastValues.get(key));
  const found = upTo(ANSWER_MAX_BYTES, newest.items.slice(0, limit));
  const more = newest.items.length > found.length;
  return {
    topic: topicName(stream, key),
    cursor,
    messages: found.map(parsed),
    more,
    ...(more ? { before: found.at(-1)!.seq } : {}),
  };
}

/** Streams with some of their topics; of one stream, a page of them behind a topic. */
export async function describeStreams(
  hub: Hub,
  { stream, after }: { stream?: string | undefined; after?: string | undefined },
  caller: Caller,
) {
  const { principal } = caller;
  if (stream === undefined && after !== undefined)
    throw new HubError('bad_request', 'after: needs a stream', { field: 'after' });
  const wanted = stream === undefined ? [...hub.streams.values()] : [hub.stream(stream, 'stream')];
  const count = stream === undefined ? FEW_TOPICS : PAGE_TOPICS;
  const streams = [];
  for (const each of wanted.filter(({ config }) => principal.sees(config.name)))
    streams.push(
      await describeStream(each, { count, after: after && hub.topic(after, 'after').key }, caller),
    );
  return { streams };
}

async function describeStream(
  { config: { name, class: streamClass }, tail }: HubStream,
  { count, after }: { count: number; after: string | undefined },
  { principal, meter }: Caller,
) {
  const accepts = (key: string) => principal.mayRead({ stream: name, key });
  const { keys, more } = await listKeys(tail.lastValues, { after, count, accepts }, meter);
  return {
    name,
    class: streamClass,
    lastSeq: tail.last,
    cursor: formatPosition(name, tail.epoch, tail.last),
    topics: keys.map((key) => topicName(name, key)),
    moreTopics: more,
  };
}

/** A page of all topics that may be read, one stream after the other. @param after a topic. Default: from the first */
export async function listTopics(
  hub: Hub,
  after: string | undefined,
  { principal, meter }: Caller,
): Promise<{ readonly topics: readonly string[]; readonly more: boolean }> {
  const from = after === undefined ? undefined : hub.topic(after, 'cursor');
  const names = [...hub.streams.keys()];
  const topics: string[] = [];
  for (const stream of names.slice(from === undefined ? 0 : names.indexOf(from.stream))) {
    if (!principal.sees(stream)) continue;
    const { tail } = hub.stream(stream);
    const accepts = (key: string) => principal.mayRead({ stream, key });
    const behind = stream === from?.stream ? from.key : undefined;
    const count = PAGE_TOPICS - topics.length;
    const { keys, more } = await listKeys(tail.lastValues, { after: behind, count, accepts }, meter);
    for (const key of keys) topics.push(topicName(stream, key));
    if (more || topics.length === PAGE_TOPICS) return { topics, more: more || stream !== names.at(-1) };
  }
  return { topics, more: false };
}

function upTo(maxBytes: number, messages: readonly StreamMessage[]): readonly StreamMessage[] {
  let bytes = 0;
  const end = messages.findIndex(({ text }, i) => {
    bytes += Buffer.byteLength(text);
    return bytes > maxBytes && i > 0;
  });
  return end === -1 ? messages : messages.slice(0, end);
}

function parsed({ text }: StreamMessage): unknown {
  return JSON.parse(text);
}
