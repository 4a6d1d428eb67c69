import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { historyRequest } from '../../hub/operations/history.js';
import { subscribeRequest } from '../../hub/operations/subscribe.js';
import { type Answer, BEARER, EXAMPLE_ORIGIN, json, type Parameter, type Route } from './route.js';
import * as schemas from './schemas.js';

const since = (name = 'since'): Parameter => ({
  name,
  in: 'query',
  description: 'Cursor to continue from: the last that was received, as it came.',
  schema: schemas.cursor,
});

export function topicInPath(example: string): Parameter {
  return {
    name: 'topic',
    in: 'path',
    description: 'The topic; percent-encoded if its key contains a `/`.',
    schema: schemas.topic,
    example,
  };
}

const EVENT_STREAM: Answer = {
  status: 200,
  description:
    'Unnamed events are messages, and `id` is the cursor; the named ones are `position`, `gap`, `degraded`, `drain`, `expiring`. Where `Accept` names `text/event-stream`, also for a temporary refusal: the one event is `refused` then.',
  type: 'text/event-stream',
};

const OF_STREAMS: readonly ErrorCode[] = [
  'bad_topic',
  'denied',
  'token_missing',
  'unknown_stream',
  'unsupported',
  'too_many_topics',
  'too_many_connections',
  'origin_denied',
  'log_unavailable',
  'overloaded',
];

export const READING_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/stream',
    id: 'stream',
    tag: 'Read',
    summary: 'Read topics as an event stream',
    description:
      'Server-sent events, for `EventSource` and scripts. `Last-Event-ID` outranks `lastEventId`, which outranks `since`; each of them outranks `rewind`.',
    token: 'optional',
    parameters: [
      {
        name: 'topics',
        in: 'query',
        description: 'Topics, separated by commas.',
        schema: schemas.topic.describe('topics, separated by commas'),
        example: 'market:*',
      },
      since(),
      since('lastEventId'),
      {
        name: 'Last-Event-ID',
        in: 'header',
        description: 'Cursor to continue from.',
        schema: schemas.cursor,
      },
      {
        name: 'rewind',
        in: 'query',
        description: 'Begin with the last n messages of each topic.',
        schema: subscribeRequest.shape.rewind,
      },
      {
        name: 'conflate',
        in: 'query',
        description: 'The newest value per key.',
        schema: subscribeRequest.shape.conflate,
      },
      {
        name: 'maxRate',
        in: 'query',
        description: 'Messages per second and key, with `conflate`.',
        schema: subscribeRequest.shape.maxRate,
      },
      {
        name: 'subscription',
        in: 'query',
        description: 'From `POST /stream/subscriptions`, instead of topics and how to read them.',
        schema: schemas.subscription.shape.id.optional(),
      },
      {
        name: 'ticket',
        in: 'query',
        description: 'From `POST /api/tickets`, instead of a token.',
        schema: schemas.ticket.shape.ticket.optional(),
      },
    ],
    answers: [EVENT_STREAM],
    errors: ['not_found', ...OF_STREAMS],
    example: `curl -sN '${EXAMPLE_ORIGIN}/stream?topics=market:*&rewind=3'`,
  },
  {
    method: 'post',
    path: '/stream',
    id: 'streamOf',
    tag: 'Read',
    summary: 'Read topics as an event stream, with the topics in the body',
    description:
      'For more topics than an address can carry. The body is what `subscribe` takes; the answer is that of `GET /stream`. `Last-Event-ID` outranks `since`.',
    token: 'optional',
    body: {
      description: 'What to read; up to 256 KiB.',
      schema: subscribeRequest,
      example: { topics: ['market:*'], rewind: 3 },
    },
    parameters: [
      {
        name: 'Last-Event-ID',
        in: 'header',
        description: 'Cursor to go on from.',
        schema: schemas.cursor,
      },
    ],
    answers: [EVENT_STREAM],
    errors: ['bad_json', 'too_large', 'unsupported_type', ...OF_STREAMS],
    example: `curl -sN '${EXAMPLE_ORIGIN}/stream' -d '{"topics":["market:*"],"rewind":3}'`,
  },
  {
    method: 'post',
    path: '/stream/subscriptions',
    id: 'createSubscription',
    tag: 'Read',
    summary: 'A short id for what an event stream is to read',
    description:
      'For an `EventSource` with more topics than an address can carry: `/stream?subscription=` and the id, on any node, as often as it reconnects. The same request has the same id. It is kept for 24 h after it was last used, and is no credential.',
    token: 'optional',
    body: {
      description: 'What to read; up to 256 KiB.',
      schema: subscribeRequest,
      example: { topics: ['market:*'], rewind: 3 },
    },
    answers: [json('The id.', schemas.subscription, 201)],
    errors: [
      'bad_json',
      'bad_topic',
      'unknown_stream',
      'unsupported',
      'too_large',
      'too_many_topics',
      'unsupported_type',
      'origin_denied',
      'log_unavailable',
      'overloaded',
    ],
    example: `curl -s '${EXAMPLE_ORIGIN}/stream/subscriptions' -d '{"topics":["market:*"],"rewind":3}'`,
  },
  {
    method: 'get',
    path: '/api/topics/:topic/messages',
    id: 'history',
    tag: 'Read',
    summary: 'Past messages of a topic',
    token: 'optional',
    parameters: [
      topicInPath('market:*'),
      since(),
      {
        name: 'limit',
        in: 'query',
        description:
          'Most messages in one answer; default 100. Together they take up at most 4 MiB: `more` says that there are others.',
        schema: historyRequest.shape.limit,
      },
    ],
    answers: [json('Oldest first.', schemas.history)],
    errors: [
      'bad_topic',
      'bad_cursor',
      'denied',
      'token_missing',
      'unknown_stream',
      'log_unavailable',
      'overloaded',
    ],
    example: `curl -s '${EXAMPLE_ORIGIN}/api/topics/market:*/messages?limit=5'`,
  },
  {
    method: 'get',
    path: '/api/topics/:topic',
    id: 'latest',
    tag: 'Read',
    summary: 'The newest message of a topic',
    token: 'optional',
    parameters: [topicInPath('market:DEMO')],
    answers: [json('Its newest message.', schemas.lastMessage)],
    errors: ['bad_topic', 'denied', 'token_missing', 'unknown_stream', 'not_found'],
    example: `curl -s '${EXAMPLE_ORIGIN}/api/topics/market:DEMO'`,
  },
  {
    method: 'get',
    path: '/api/streams',
    id: 'streams',
    tag: 'Read',
    summary: 'The streams of the hub',
    token: 'optional',
    answers: [json('Those that may be read at least in part.', schemas.streams)],
    errors: [],
    example: `curl -s '${EXAMPLE_ORIGIN}/api/streams'`,
  },
  {
    method: 'get',
    path: '/api/streams/:stream',
    id: 'streamTopics',
    tag: 'Read',
    summary: 'A stream and its topics',
    token: 'optional',
    parameters: [
      {
        name: 'stream',
        in: 'path',
        description: 'Its name.',
        schema: schemas.streamInfo.shape.name,
        example: 'market',
      },
    ],
    answers: [json('With up to 1,000 of its topics.', schemas.streamTopics)],
    errors: ['denied', 'token_missing', 'unknown_stream'],
    example: `curl -s '${EXAMPLE_ORIGIN}/api/streams/market'`,
  },
  {
    method: 'post',
    path: '/api/tickets',
    id: 'ticket',
    tag: 'Read',
    summary: 'A ticket for one event stream',
    description:
      'For an `EventSource`, which cannot send headers: valid once, for 30 s, for whatever the token may read.',
    token: 'required',
    answers: [json('The ticket.', schemas.ticket, 201)],
    errors: ['token_missing', 'overloaded', 'log_unavailable', 'storage_full'],
    example: `curl -s ${BEARER} -X POST '${EXAMPLE_ORIGIN}/api/tickets'`,
  },
];
