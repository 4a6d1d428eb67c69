import { z } from 'zod';
import { operation } from './operation.js';
import { dataText } from './publisher.js';

/** The id of a publication, in a request or an `Idempotency-Key` header. */
export const publicationId = z.string().min(1).max(256);

export const publishRequest = z
  .strictObject({
    topic: z.string(),
    data: z.unknown(),
    id: publicationId.optional(),
    traceparent: z.string().max(256).optional(),
  })
  .refine((request) => request.data !== undefined, { path: ['data'], message: 'is missing' });

export const PUBLISH = operation<'publish'>({
  summary: 'Appends one message to a stream',
  schema: publishRequest,
  example: { topic: 'market:DEMO', data: { price: 1 } },
  cost: 'publish',
  run: async ({ publisher, subscriber, acknowledge }, { topic, data, id, traceparent }) => {
    const { principal } = subscriber.access;
    acknowledge(await publisher.publish({ topic, data: dataText(data), id, traceparent }, principal));
  },
});
