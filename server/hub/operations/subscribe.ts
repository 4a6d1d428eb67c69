/**
 * `subscribe`: plan, announce the verdicts, backfill, go live. One at a time per connection.
 */

import type { SubscribeAnswer } from '@axiom-streaming/protocol/answers';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { parseCursor } from '@axiom-streaming/protocol/cursor';
import type { SubscribeRequest } from '@axiom-streaming/protocol/requests';
import { type Topic, topicName } from '@axiom-streaming/protocol/topic';
import { z } from 'zod';
import { HubError } from '../../errors.js';
import { type Principal, requireRead } from '../access.js';
import type { StreamReader } from '../delivery/stream-reader.js';
import type { Subscriber } from '../delivery/subscriber.js';
import type { Hub } from '../hub.js';
import type { Conflation } from '../queues/conflator.js';
import { type BackfillPlan, least } from '../recovery/backfill.js';
import { type Past, type PastRequest, planPast } from '../recovery/past.js';
import { keysByStream } from '../recovery/recovery.js';
import { Toll } from '../recovery/toll.js';
import { topicVerdict } from '../recovery/verdict.js';
import { checkConflatable, checkNotRaised, requestedConflation } from './conflation-rules.js';
import { cursor, topics } from './fields.js';
import { operation } from './operation.js';
import { chargeTopics, inTurn, tooManyTopics, topicLimit, uniqueTopics } from './subscriptions.js';
import { READ_WAIT_MS, whenLive } from './when-live.js';

/** Most messages per second and key that a conflated subscription may ask for. */
const MAX_RATE = 1000;

/**
 * `since` and `rewind` exclude each other: one says where to continue, the other how far to go back. `conflate` and
 * `maxRate` belong together.
 */
export const subscribeRequest = z
  .strictObject({
    topics,
    since: cursor.optional(),
    rewind: z.number().int().min(1).max(10_000).optional(),
    conflate: z.enum(['latest', 'merge']).optional(),
    maxRate: z.number().positive().max(MAX_RATE).optional(),
  })
  .refine((request) => request.since === undefined || request.rewind === undefined, {
    path: ['rewind'],
    message: 'cannot be combined with since',
  })
  .refine((request) => request.conflate === undefined || request.maxRate !== undefined, {
    path: ['maxRate'],
    message: 'is missing; conflate needs it: messages per second and key',
  })
  .refine((request) => request.maxRate === undefined || request.conflate !== undefined, {
    path: ['conflate'],
    message: 'is missing; maxRate is the rate of a conflated subscription',
  });

export interface SubscribeOptions {
  /**
   * Called when the subscription is made and its verdicts are known, before anything is written for it.
   * If it fails, the subscription is undone.
   */
  readonly onPlanned: (result: SubscribeAnswer) => void | Promise<void>;
  /** How long to wait, ms, for a stream that is not live because its log is unreachable. Default: forever. */
  readonly waitMs?: number;
  /** By topic: conflation in addition to that of the request, from a resumed session. */
  readonly conflations?: ReadonlyMap<string, Conflation>;
  /** Most topics in all. Default: of any connection. */
  readonly maxTopics?: (principal: Principal) => number;
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
    throw new HubError('bad_cursor', 'since: this is not a cursor of this hub', { field: 'since' });
  }
  const conflation = requestedConflation(request);
  checkConflatable(hub, topics, conflation);
  return inTurn(subscriber, () =>
    makeSubscription(hub, subscriber, topics, { positions, rewind: request.rewind, conflation }, options),
  );
}

export const SUBSCRIBE = operation<'subscribe'>({
  summary: 'Reads topics: from a cursor, from the last n messages, or from now',
  schema: subscribeRequest,
  example: { topics: ['market:DEMO'], rewind: 3 },
  cost: 'request',
  run: ({ hub, subscriber, onSubscriptionsChanged, acknowledge }, request) =>
    subscribe(hub, subscriber, request, {
      waitMs: READ_WAIT_MS,
      maxTopics: (principal) => topicLimit(hub, principal),
      onPlanned: async (result) => {
        await onSubscriptionsChanged(result);
        acknowledge(result);
      },
    }),
});

async function makeSubscription(
  hub: Hub,
  subscriber: Subscriber,
  topics: readonly Topic[],
  request: PastRequest & { readonly conflation: Conflation | undefined },
  { onPlanned, waitMs, conflations, maxTopics }: SubscribeOptions,
): Promise<void> {
  // In its turn: topics that a token renewed meanwhile no longer allows are ended after this.
  const { principal } = subscriber.access;
  checkMayRead(subscriber, topics, request.conflation);
  checkNumber(subscriber, topics, maxTopics?.(principal) ?? hub.limits.topicsPerConnection);
  const byStream = keysByStream(topics);
  // Before it waits for them.
  hub.outages.tell(subscriber, byStream.keys());
  for (const stream of byStream.keys()) await whenLive(hub.stream(stream).tail, waitMs);
  const toll = Toll.patient(subscriber.access);
  // Requests of one connection are carried out one after the other: all of them were let in when little was owed.
  const wait = toll.pay({ walked: 0, read: 0 });
  if (wait !== undefined) await wait;
  const past = await hub.recovery.past(topics, request, toll);
  if (subscriber.closed) return;

  // From here to the announcement nothing waits: the plan, the holds and the cursor are of one moment.
  const changes = [...byStream].map(([stream, keys]) =>
    planChange(hub, subscriber, hub.reader(subscriber, stream), keys, past, (key) => {
      return request.conflation ?? conflations?.get(topicName(stream, key));
    }),
  );

  chargeTopics(subscriber, topics.length);
  let failure: { readonly error: unknown } | undefined;
  try {
    await onPlanned({
      topics: topics.map((topic) =>
        topicVerdict(topic, past.verdicts?.get(topicName(topic.stream, topic.key))),
      ),
      cursor: subscriber.cursor(),
    });
    if (changes.some(({ goesBack }) => goesBack)) subscriber.position();
  } catch (error) {
    failure = { error };
    for (const { reader, before } of changes)
      hub.setKeys(subscriber, reader, before.keys, before.conflations);
  }
  // A log may have become unreachable while its past was read.
  hub.outages.tell(subscriber, subscriber.readers.keys());
  hub.slow.tell(subscriber);
  await goLive(
    hub,
    subscriber,
    changes.map(({ reader, plan }) => ({
      reader,
      plan: failure === undefined ? plan : { ...plan, opening: [] },
    })),
    toll,
  );
  if (failure !== undefined) throw failure.error;
  subscriber.position();
}

/** @throws HubError if the subscriber may not read a topic, or raise a rate */
function checkMayRead(
  subscriber: Subscriber,
  topics: readonly Topic[],
  conflation: Conflation | undefined,
): void {
  topics.forEach((topic, i) => {
    requireRead(subscriber.access.principal, topic, `topics[${i}]`);
  });
  checkNotRaised(subscriber, topics, conflation);
}

/** @throws HubError if the subscriber would read too many topics */
function checkNumber(subscriber: Subscriber, topics: readonly Topic[], most: number): void {
  if (subscriber.topicCount + topics.length <= most) return;
  // Some of them may be read already.
  const all = new Set([...subscriber.topics(), ...topics.map(({ stream, key }) => topicName(stream, key))]);
  if (all.size > most) throw tooManyTopics(most, subscriber.access.principal);
}

/** What happens to a reader when a stream's topics are subscribed to. */
interface Change {
  readonly reader: StreamReader;
  /** What it read before, in case the subscription is undone. */
  readonly before: {
    readonly keys: ReadonlySet<string>;
    readonly conflations: ReadonlyMap<string, Conflation>;
  };
  /** The client reads the stream already, has a later cursor, and would return with it. */
  readonly goesBack: boolean;
  readonly plan: BackfillPlan;
}

/** Plans the backfill of a stream's new keys, holds its reader, and gives it the keys. */
function planChange(
  hub: Hub,
  subscriber: Subscriber,
  reader: StreamReader,
  keys: ReadonlySet<string>,
  past: Past,
  conflationOf: (key: string) => Conflation | undefined,
): Change {
  const before = { keys: new Set(reader.keys), conflations: new Map(reader.conflations) };
  const starts = reader.surrender();
  const conflations = new Map(before.conflations);
  for (const key of keys) {
    const conflation = conflationOf(key);
    if (conflation !== undefined) conflations.set(key, conflation);
  }
  const opening = planPast(reader, keys, starts, past, (key) => conflations.has(key));
  // A cut before the first message of a snapshot or rewind must find it again.
  const first = opening.length > 0 ? opening[0]!.seq - 1 : reader.tail.last;
  const position = Math.min(least(starts.values()), first);
  reader.hold(position);
  hub.setKeys(subscriber, reader, new Set([...before.keys, ...keys]), conflations);
  const goesBack = before.keys.size > 0 && position < reader.tail.last;
  return { reader, before, goesBack, plan: { starts, opening } };
}

/** Backfills held readers one after the other, and releases them. */
async function goLive(
  hub: Hub,
  subscriber: Subscriber,
  changes: readonly Pick<Change, 'reader' | 'plan'>[],
  toll: Toll,
): Promise<void> {
  try {
    for (const { reader, plan } of changes) {
      if (reader.keys.size === 0) reader.release();
      else await hub.recovery.backfill(reader, plan, toll);
    }
  } catch (error) {
    // The subscription was acknowledged and cannot be kept: the client reconnects with its cursor and gets everything.
    subscriber.close(CLOSE.backfillFailed);
    throw error;
  }
}
