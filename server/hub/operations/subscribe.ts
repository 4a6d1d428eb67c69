/**
 * `subscribe` and `unsubscribe`: plan, announce the verdicts, backfill, go live. One at a time per connection.
 */

import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { type Positions, parseCursor } from '@axiom-streaming/protocol/cursor';
import type { TopicVerdict } from '@axiom-streaming/protocol/message';
import { type Topic, topicName } from '@axiom-streaming/protocol/topic';
import { HubError } from '../../errors.js';
import { requireRead } from '../access.js';
import type { StreamReader } from '../delivery/stream-reader.js';
import type { Subscriber } from '../delivery/subscriber.js';
import type { Hub } from '../hub.js';
import type { Conflation } from '../queues/conflator.js';
import { type BackfillPlan, backfill, least, snapshot } from '../recovery/backfill.js';
import { lookBack } from '../recovery/rewind.js';
import { topicVerdict, type Verdict } from '../recovery/verdict.js';
import type { StreamMessage } from '../tail/stream-message.js';
import { whenLive } from '../tail/when-live.js';
import { changedSince, checkConflatable, checkNotRaised, requestedConflation } from './conflation-rules.js';
import type { SubscribeRequest, UnsubscribeRequest } from './handler.js';

/** Backfill pauses at this part of a connection's budget, so that it never makes a connection slow by itself. */
const PAUSE_AT = 0.25;

/** What a `subscribe` answers before its first message. */
export interface SubscribeResult {
  readonly topics: readonly TopicVerdict[];
  /** What the connection can resume from until it gets its next cursor. */
  readonly cursor: string;
}

export interface SubscribeOptions {
  /**
   * Called when the subscription is made and its verdicts are known, before anything is written for it.
   * If it fails the subscription is taken back.
   */
  readonly onPlanned: (result: SubscribeResult) => void | Promise<void>;
  /** How long to wait for a stream that is not live: the log is out of reach. Default: as long as it takes. */
  readonly waitMs?: number;
  /** By topic: conflation beyond what the request says, of a session that is taken up. */
  readonly conflations?: ReadonlyMap<string, Conflation>;
}

/**
 * Subscribes to topics with `since`, `rewind` or neither. Resolves when the connection is live on them.
 *
 * @throws HubError for a bad topic, cursor, conflation or number of topics, and `log_unavailable` after `waitMs`;
 *   nothing has changed then.
 */
export async function subscribe(
  hub: Hub,
  subscriber: Subscriber,
  request: SubscribeRequest,
  options: SubscribeOptions,
): Promise<void> {
  const topics = uniqueTopics(hub, request.topics);
  const positions = request.since === undefined ? undefined : parseCursor(request.since);
  if (request.since !== undefined && positions === undefined) {
    throw new HubError('bad_cursor', 'since: this is no cursor of this hub', { field: 'since' });
  }
  const conflation = requestedConflation(request);
  checkConflatable(hub, topics, conflation);
  return inTurn(subscriber, () =>
    makeSubscription(hub, subscriber, topics, { positions, rewind: request.rewind, conflation }, options),
  );
}

/** Ends topics. Those that were not subscribed to are ignored. @returns what is still subscribed to. */
export async function unsubscribe(
  hub: Hub,
  subscriber: Subscriber,
  request: UnsubscribeRequest,
): Promise<string[]> {
  const topics = uniqueTopics(hub, request.topics);
  return inTurn(subscriber, async () => {
    for (const { stream, key } of topics) {
      const reader = subscriber.readers.get(stream);
      if (reader === undefined) continue;
      const keys = new Set(reader.keys);
      keys.delete(key);
      setKeys(hub, subscriber, reader, keys);
    }
    subscriber.position();
    return subscriber.topics();
  });
}

/** Ends the topics that the subscriber may no longer read. @returns which, and what it still reads */
export async function endDenied(
  hub: Hub,
  subscriber: Subscriber,
): Promise<{ ended: string[]; topics: string[] }> {
  return inTurn(subscriber, async () => {
    const ended: string[] = [];
    for (const reader of [...subscriber.readers.values()]) {
      const { stream } = reader.tail;
      const keys = [...reader.keys];
      const kept = keys.filter((key) => subscriber.access.principal.mayRead({ stream, key }));
      if (kept.length === keys.length) continue;
      ended.push(...keys.filter((key) => !kept.includes(key)).map((key) => topicName(stream, key)));
      setKeys(hub, subscriber, reader, new Set(kept));
    }
    if (ended.length > 0) subscriber.position();
    return { ended, topics: subscriber.topics() };
  });
}

async function makeSubscription(
  hub: Hub,
  subscriber: Subscriber,
  topics: readonly Topic[],
  request: LookAtPast & { readonly conflation: Conflation | undefined },
  { onPlanned, waitMs, conflations }: SubscribeOptions,
): Promise<void> {
  // In its turn: what a token that came meanwhile takes away is taken after this.
  topics.forEach((topic, i) => {
    requireRead(subscriber.access.principal, topic, `topics[${i}]`);
  });
  checkNotRaised(subscriber, topics, request.conflation);
  if (subscriber.topicCount + topics.length > hub.limits.topicsPerConnection) {
    const now = new Set([...subscriber.topics(), ...topics.map(({ stream, key }) => topicName(stream, key))]);
    if (now.size > hub.limits.topicsPerConnection) {
      throw tooManyTopics(hub);
    }
  }
  const byStream = new Map<string, Set<string>>();
  for (const { stream, key } of topics) byStream.set(stream, (byStream.get(stream) ?? new Set()).add(key));

  for (const stream of byStream.keys()) await whenLive(hub, stream, waitMs);
  const past = await lookAtPast(hub, topics, byStream, request);
  if (subscriber.closed) return;

  // From here to the announcement nothing waits: the plan, the holds and the cursor are of one moment.
  const changes = [...byStream].map(([stream, keys]) => {
    const reader = hub.reader(subscriber, stream);
    const before = { keys: new Set(reader.keys), conflations: new Map(reader.conflations) };
    const starts = reader.surrender();
    const wanted = new Map(before.conflations);
    for (const key of keys) {
      const conflation = request.conflation ?? conflations?.get(topicName(stream, key));
      if (conflation !== undefined) wanted.set(key, conflation);
    }
    const preload = planPast(reader, keys, starts, past, wanted);
    // A cut before the first message of a snapshot or rewind must find it again.
    const position = Math.min(
      least(starts.values()),
      preload.length > 0 ? preload[0]!.seq - 1 : reader.tail.last,
    );
    subscriber.hold(reader, position);
    setKeys(hub, subscriber, reader, new Set([...before.keys, ...keys]), wanted);
    // A client that reads the stream already has a later cursor, and would return with it.
    const goesBack = before.keys.size > 0 && position < reader.tail.last;
    return { reader, before, goesBack, plan: { starts, preload } };
  });

  let failure: unknown;
  try {
    await onPlanned({
      topics: topics.map((topic) =>
        topicVerdict(topic, past.verdicts?.get(topicName(topic.stream, topic.key))),
      ),
      cursor: subscriber.cursor(),
    });
    if (changes.some(({ goesBack }) => goesBack)) subscriber.position();
  } catch (error) {
    failure = error;
    for (const { reader, before } of changes)
      setKeys(hub, subscriber, reader, before.keys, before.conflations);
  }
  try {
    for (const { reader, plan } of changes) {
      if (reader.keys.size === 0) subscriber.release(reader);
      else {
        await backfill(reader, failure === undefined ? plan : { ...plan, preload: [] }, {
          pages: hub.pages,
          turns: hub.backfills,
          pauseBytes: hub.limits.connectionBudgetBytes * PAUSE_AT,
        });
      }
    }
  } catch (error) {
    // The subscription was acknowledged and cannot be kept: the client comes back with its cursor and gets it all.
    subscriber.close(CLOSE.drain);
    throw error;
  }
  if (failure !== undefined) throw failure;
  subscriber.position();
}

interface LookAtPast {
  readonly positions: Positions | undefined;
  readonly rewind: number | undefined;
}

/** What a subscription brings from the past: verdicts on a cursor, or the newest messages of each stream. */
interface Past {
  /** By topic; undefined without a cursor. */
  readonly verdicts: Map<string, Verdict> | undefined;
  /** By stream; messages up to and including the barrier. */
  readonly rewound: ReadonlyMap<
    string,
    { readonly barrier: number; readonly messages: BackfillPlan['preload'] }
  >;
}

/**
 * What new topics of a stream begin with, and where: sets the starts of their keys, and the verdict of a topic that is
 * conflated and has missed something.
 *
 * @returns snapshot or rewind, ascending by seq
 */
function planPast(
  reader: StreamReader,
  keys: ReadonlySet<string>,
  starts: Map<string, number>,
  past: Past,
  conflations: ReadonlyMap<string, Conflation>,
): readonly StreamMessage[] {
  const { tail, streamClass } = reader;
  const rewound = past.rewound.get(tail.stream);
  const fresh = new Set<string>();
  const changed = new Set<StreamMessage>();
  const startAt = (key: string, seq: number) => {
    const waiting = starts.get(key) ?? tail.last;
    // What the connection still has to get goes on.
    starts.set(key, waiting < tail.last ? Math.min(waiting, seq) : seq);
  };
  for (const key of keys) {
    const topic = topicName(tail.stream, key);
    const verdict = past.verdicts?.get(topic);
    if (verdict?.recovered !== true) {
      fresh.add(key);
      startAt(key, rewound?.barrier ?? tail.last);
      continue;
    }
    const newest = conflations.has(key) ? changedSince(tail, key, verdict.from) : [];
    startAt(key, newest.length > 0 ? tail.last : verdict.from);
    if (newest.length > 0) past.verdicts?.set(topic, { recovered: false, reason: 'conflated' });
    for (const message of newest) changed.add(message);
  }
  if (rewound !== undefined) return rewound.messages;
  if (streamClass === 'state') for (const message of snapshot(reader, fresh)) changed.add(message);
  return [...changed].sort((a, b) => a.seq - b.seq);
}

/** Asks the log where it must. All that it returns is of one epoch per stream: the present one. */
async function lookAtPast(
  hub: Hub,
  topics: readonly Topic[],
  byStream: ReadonlyMap<string, ReadonlySet<string>>,
  { positions, rewind }: LookAtPast,
): Promise<Past> {
  for (;;) {
    const epochs = new Map([...byStream.keys()].map((stream) => [stream, hub.stream(stream).tail.epoch]));
    const judged = positions === undefined ? undefined : await hub.judge(topics, positions);
    const verdicts =
      judged && new Map(topics.map(({ stream, key }, i) => [topicName(stream, key), judged[i]!]));
    const rewound = new Map<string, { barrier: number; messages: BackfillPlan['preload'] }>();
    for (const [stream, keys] of rewind === undefined ? [] : byStream) {
      const { tail } = hub.stream(stream);
      const barrier = tail.last;
      rewound.set(stream, { barrier, messages: await lookBack(tail, keys, rewind!, barrier, hub.pages) });
    }
    if ([...epochs].every(([stream, epoch]) => hub.stream(stream).tail.epoch === epoch))
      return { verdicts, rewound };
  }
}

function setKeys(
  hub: Hub,
  subscriber: Subscriber,
  reader: StreamReader,
  keys: ReadonlySet<string>,
  conflations: ReadonlyMap<string, Conflation> = reader.conflations,
): void {
  if (subscriber.closed) return;
  hub.setKeys(reader, keys, conflations);
  if (keys.size === 0) subscriber.readers.delete(reader.tail.stream);
  else subscriber.readers.set(reader.tail.stream, reader);
  hub.refreshSet(subscriber);
}

/** What is answered to a connection that would read more topics than it may. */
export function tooManyTopics({ limits }: Hub): HubError {
  return new HubError('too_many_topics', `topics: a connection reads at most ${limits.topicsPerConnection}`, {
    field: 'topics',
  });
}

function uniqueTopics(hub: Hub, texts: readonly string[]): Topic[] {
  const topics = new Map<string, Topic>();
  texts.forEach((text, i) => {
    topics.set(text, hub.topic(text, `topics[${i}]`));
  });
  return [...topics.values()];
}

async function inTurn<T>(subscriber: Subscriber, work: () => Promise<T>): Promise<T> {
  const turn = subscriber.turn.then(work);
  subscriber.turn = turn.catch(() => undefined);
  return turn;
}
