import type { UnsubscribeRequest } from '@axiom-streaming/protocol/requests';
import { z } from 'zod';
import type { Subscriber } from '../delivery/subscriber.js';
import type { Hub } from '../hub.js';
import { keysByStream } from '../recovery/recovery.js';
import { topics } from './fields.js';
import { operation } from './operation.js';
import { chargeTopics, inTurn, uniqueTopics } from './subscriptions.js';

/** Ends topics. Those that were not subscribed to are ignored. @returns what is still subscribed to */
export async function unsubscribe(
  hub: Hub,
  subscriber: Subscriber,
  request: UnsubscribeRequest,
): Promise<string[]> {
  const topics = uniqueTopics(hub, request.topics);
  return inTurn(subscriber, async () => {
    for (const [stream, ended] of keysByStream(topics)) {
      const reader = subscriber.readers.get(stream);
      if (reader === undefined) continue;
      const keys = new Set(reader.keys);
      for (const key of ended) keys.delete(key);
      hub.setKeys(subscriber, reader, keys);
    }
    chargeTopics(subscriber, topics.length);
    subscriber.position();
    return subscriber.topics();
  });
}

export const UNSUBSCRIBE = operation<'unsubscribe'>({
  summary: 'Stops reading topics',
  schema: z.strictObject({ topics }),
  example: { topics: ['market:DEMO'] },
  cost: 'request',
  run: async ({ hub, subscriber, onSubscriptionsChanged, acknowledge }, request) => {
    const left = await unsubscribe(hub, subscriber, request);
    await onSubscriptionsChanged({ topics: [], cursor: subscriber.cursor() });
    acknowledge({ topics: left });
  },
});
