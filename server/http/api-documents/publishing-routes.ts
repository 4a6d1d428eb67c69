import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { publicationId, publishRequest } from '../../hub/operations/publish.js';
import { topicInPath } from './reading-routes.js';
import { BEARER, EXAMPLE_ORIGIN, json, type Route } from './route.js';
import * as schemas from './schemas.js';

const OF_PUBLISHING: readonly ErrorCode[] = [
  'token_missing',
  'too_large',
  'unsupported_type',
  'log_unavailable',
  'storage_full',
  'overloaded',
];

export const PUBLISHING_ROUTES: readonly Route[] = [
  {
    method: 'post',
    path: '/api/topics/:topic/messages',
    id: 'publish',
    tag: 'Publish',
    summary: 'Publish one message',
    description:
      'The body is the data of the message, as JSON, whatever its content type. The answer means that the log has committed it.',
    token: 'required',
    parameters: [
      topicInPath('market:DEMO'),
      {
        name: 'Idempotency-Key',
        in: 'header',
        description: 'A repeat with the same key within five minutes is not appended again.',
        schema: publicationId.optional(),
      },
    ],
    body: { description: 'Any JSON value.', schema: publishRequest.shape.data, example: { price: 1 } },
    answers: [json('Committed, or already known (`duplicate`).', schemas.published, 201)],
    errors: [
      ...OF_PUBLISHING,
      'bad_json',
      'bad_topic',
      'denied',
      'unknown_stream',
      'idempotency_conflict',
      'too_many_keys',
      'quota_exceeded',
    ],
    example: `curl -s ${BEARER} -d '{"price":1}' '${EXAMPLE_ORIGIN}/api/topics/market:DEMO/messages'`,
  },
  {
    method: 'post',
    path: '/api/messages',
    id: 'publishMany',
    tag: 'Publish',
    summary: 'Publish many messages',
    description: 'A JSON array, or one JSON object per line. A refused item does not affect the others.',
    token: 'required',
    body: {
      description: 'Items with `topic`, `data` and, optionally, `id`.',
      schema: publishRequest.array(),
      example: [
        { topic: 'news:demo', data: { headline: 'One' } },
        { topic: 'news:demo', data: { headline: 'Two' }, id: 'news-2' },
      ],
    },
    answers: [json('A result for each item.', schemas.batchResults)],
    errors: [...OF_PUBLISHING, 'bad_json', 'batch_too_large'],
    example: `printf '%s\\n' '{"topic":"news:demo","data":"one"}' '{"topic":"news:demo","data":"two"}' |
  curl -s ${BEARER} --data-binary @- '${EXAMPLE_ORIGIN}/api/messages'`,
  },
];
