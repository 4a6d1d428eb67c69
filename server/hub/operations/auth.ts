import { topicName } from '@axiom-streaming/protocol/topic';
import { z } from 'zod';
import { HubError } from '../../errors.js';
import type { Subscriber } from '../delivery/subscriber.js';
import type { Hub } from '../hub.js';
import { visibleStreams } from '../streams.js';
import { operation } from './operation.js';
import { inTurn } from './subscriptions.js';

function isSomebody(): HubError {
  return new HubError('denied', 'token: null stands for nobody, and the connection has a token', {
    field: 'token',
  });
}

/** Ends the topics that the subscriber may no longer read. @returns which, and what it still reads */
async function endDenied(hub: Hub, subscriber: Subscriber): Promise<{ ended: string[]; topics: string[] }> {
  return inTurn(subscriber, async () => {
    const ended: string[] = [];
    for (const reader of [...subscriber.readers.values()]) {
      const { stream } = reader.tail;
      const keys = [...reader.keys];
      const kept = new Set(keys.filter((key) => subscriber.access.principal.mayRead({ stream, key })));
      if (kept.size === keys.length) continue;
      ended.push(...keys.filter((key) => !kept.has(key)).map((key) => topicName(stream, key)));
      hub.setKeys(subscriber, reader, kept);
    }
    if (ended.length > 0) subscriber.position();
    return { ended, topics: subscriber.topics() };
  });
}

export const AUTH = operation<'auth'>({
  summary: 'Says who the connection is, or renews its token in place',
  schema: z.strictObject({ token: z.string().min(1).nullable() }),
  example: { token: '$TOKEN' },
  cost: 'request',
  run: async ({ hub, subscriber, onSubscriptionsChanged, acknowledge }, { token }) => {
    if (token === null) {
      const { principal } = subscriber.access;
      if (principal.subject !== undefined) throw isSomebody();
      acknowledge({ streams: visibleStreams(hub, principal), topics: subscriber.topics(), ended: [] });
      return;
    }
    const { subject, expiresAt } = await subscriber.access.renew(token);
    const read = await endDenied(hub, subscriber);
    await onSubscriptionsChanged({ topics: [], cursor: subscriber.cursor() });
    acknowledge({
      subject,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      streams: visibleStreams(hub, subscriber.access.principal),
      ...read,
    });
  },
});
