/**
 * What the hub answers over HTTP, as one table: `/openapi.json` is made from it. A spec holds it against the router and
 * runs each example against a node.
 */
import type { z } from 'zod';
import { revocationRequest } from '../auth/revocation-request.js';
import type { ErrorCode } from '../errors.js';
import { historyRequest, publicationId, publishRequest, subscribeRequest } from '../hub/requests.js';
import * as schemas from './schemas.js';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly schema: z.ZodType;
  readonly example?: string | number;
}

export interface Answer {
  readonly status: number;
  readonly description: string;
  readonly type?: 'application/json' | 'text/event-stream' | 'text/plain';
  readonly schema?: z.ZodType;
}

export interface Route {
  readonly method: 'get' | 'post' | 'delete';
  /** As Express writes it. */
  readonly path: string;
  readonly id: string;
  readonly tag: 'Publish' | 'Read' | 'Operate' | 'Administer' | 'Agents';
  readonly summary: string;
  readonly description?: string;
  /** `optional`: a token shows more. */
  readonly token: 'none' | 'optional' | 'required';
  readonly parameters?: readonly Parameter[];
  readonly body?: { readonly description: string; readonly schema: z.ZodType; readonly example: unknown };
  readonly answers: readonly Answer[];
  /** What it may refuse with, besides what every route may. */
  readonly errors: readonly ErrorCode[];
  /** For a shell with `TOKEN`; the hub's address is written as in {@link EXAMPLE_ORIGIN}. */
  readonly example: string;
}

export const EXAMPLE_ORIGIN = 'http://localhost:8001';
const BEARER = '-H "Authorization: Bearer $TOKEN"';

const inPath = (example: string): Parameter => ({
  name: 'topic',
  in: 'path',
  description: 'The topic; percent-encoded where its key has a `/`.',
  schema: schemas.topic,
  example,
});
const ID: Parameter = {
  name: 'id',
  in: 'path',
  description: 'Id of the connection, as in its `welcome`.',
  schema: schemas.connection.shape.id,
};
const since = (name = 'since'): Parameter => ({
  name,
  in: 'query',
  description: 'Cursor to go on from.',
  schema: historyRequest.shape.since,
});

const OF_TOKENS: readonly ErrorCode[] = [
  'token_invalid',
  'token_expired',
  'token_revoked',
  'keys_unavailable',
];
const OF_PUBLISHING: readonly ErrorCode[] = [
  'token_missing',
  'too_large',
  'unsupported_type',
  'log_unavailable',
  'overloaded',
];
const json = (description: string, schema: z.ZodType, status = 200): Answer => ({
  status,
  description,
  type: 'application/json',
  schema,
});

export const ROUTES: readonly Route[] = [
  {
    method: 'post',
    path: '/api/topics/:topic/messages',
    id: 'publish',
    tag: 'Publish',
    summary: 'Publish one message',
    description:
      'The body is the data of the message: any JSON value, whatever its content type says. The answer means that the log has committed it.',
    token: 'required',
    parameters: [
      inPath('market:DEMO'),
      {
        name: 'Idempotency-Key',
        in: 'header',
        description: 'Makes a repeat harmless for five minutes.',
        schema: publicationId.optional(),
      },
    ],
    body: { description: 'Any JSON value.', schema: publishRequest.shape.data, example: { price: 1 } },
    answers: [json('Committed, or known already: `duplicate`.', schemas.published, 201)],
    errors: [
      ...OF_PUBLISHING,
      'bad_json',
      'bad_topic',
      'denied',
      'unknown_stream',
      'idempotency_conflict',
      'too_many_keys',
    ],
    example: `curl -s ${BEARER} -d '{"price":1}' '${EXAMPLE_ORIGIN}/api/topics/market:DEMO/messages'`,
  },
  {
    method: 'post',
    path: '/api/messages',
    id: 'publishMany',
    tag: 'Publish',
    summary: 'Publish many messages',
    description: 'A JSON array, or one JSON object per line. An item that is refused holds no other back.',
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
        description: 'Cursor to go on from.',
        schema: historyRequest.shape.since,
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
        name: 'ticket',
        in: 'query',
        description: 'Of `POST /api/tickets`, instead of a token.',
        schema: schemas.ticket.shape.ticket.optional(),
      },
    ],
    answers: [
      {
        status: 200,
        description:
          'Events: unnamed ones are messages, `id` is the cursor; `position`, `gap`, `degraded`, `drain`, `expiring`.',
        type: 'text/event-stream',
      },
    ],
    errors: [
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
    ],
    example: `curl -sN '${EXAMPLE_ORIGIN}/stream?topics=market:*&rewind=3'`,
  },
  {
    method: 'get',
    path: '/api/topics/:topic/messages',
    id: 'history',
    tag: 'Read',
    summary: 'Messages of a topic that are over',
    token: 'optional',
    parameters: [
      inPath('market:*'),
      since(),
      {
        name: 'limit',
        in: 'query',
        description: 'Most messages in one answer; 100.',
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
    parameters: [inPath('market:DEMO')],
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
    answers: [json('Those of which something may be read.', schemas.streams)],
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
      'For an `EventSource`, which can send no header: good once, for 30 s, for what the token may read.',
    token: 'required',
    answers: [json('The ticket.', schemas.ticket, 201)],
    errors: ['token_missing', 'overloaded', 'log_unavailable'],
    example: `curl -s ${BEARER} -X POST '${EXAMPLE_ORIGIN}/api/tickets'`,
  },
  {
    method: 'get',
    path: '/health',
    id: 'health',
    tag: 'Operate',
    summary: 'The state of the hub',
    token: 'none',
    answers: [json('It serves.', schemas.health), json('It drains, or Redis is away.', schemas.health, 503)],
    errors: [],
    example: `curl -s '${EXAMPLE_ORIGIN}/health'`,
  },
  {
    method: 'get',
    path: '/health/live',
    id: 'liveness',
    tag: 'Operate',
    summary: 'Whether the process runs',
    token: 'none',
    answers: [json('It does.', schemas.liveness)],
    errors: [],
    example: `curl -s '${EXAMPLE_ORIGIN}/health/live'`,
  },
  {
    method: 'get',
    path: '/health/ready',
    id: 'readiness',
    tag: 'Operate',
    summary: 'Whether the node takes connections',
    token: 'none',
    answers: [
      json('It does.', schemas.readiness),
      json('It drains, or Redis is away.', schemas.readiness, 503),
    ],
    errors: [],
    example: `curl -s '${EXAMPLE_ORIGIN}/health/ready'`,
  },
  {
    method: 'get',
    path: '/api/nodes',
    id: 'nodes',
    tag: 'Operate',
    summary: 'The nodes of the cluster',
    token: 'optional',
    answers: [json('What each node says of itself.', schemas.nodes)],
    errors: ['token_missing', 'denied'],
    example: `curl -s '${EXAMPLE_ORIGIN}/api/nodes'`,
  },
  {
    method: 'get',
    path: '/metrics',
    id: 'metrics',
    tag: 'Operate',
    summary: 'Metrics of the node for Prometheus',
    description:
      'For private networks, administrators, and the bearer of `METRICS_TOKEN`; others are told that there is nothing.',
    token: 'optional',
    answers: [{ status: 200, description: 'In the text format of Prometheus.', type: 'text/plain' }],
    errors: ['not_found'],
    example: `curl -s '${EXAMPLE_ORIGIN}/metrics'`,
  },
  {
    method: 'post',
    path: '/api/revocations',
    id: 'revoke',
    tag: 'Administer',
    summary: 'Take a token back, or all of a subject',
    description: 'Within a second no node accepts it, and its connections are closed. For administrators.',
    token: 'required',
    body: { description: 'Either `jti` or `sub`.', schema: revocationRequest, example: { jti: '5f1c' } },
    answers: [json('It is in force.', schemas.revocation, 201)],
    errors: ['token_missing', 'denied', 'too_large', 'unsupported_type', 'overloaded', 'log_unavailable'],
    example: `curl -s ${BEARER} -d '{"jti":"5f1c"}' '${EXAMPLE_ORIGIN}/api/revocations'`,
  },
  {
    method: 'get',
    path: '/api/connections',
    id: 'connections',
    tag: 'Administer',
    summary: 'The connections of the cluster',
    description: 'For administrators.',
    token: 'required',
    answers: [json('Up to 1,000 of them.', schemas.connections)],
    errors: ['token_missing', 'denied'],
    example: `curl -s ${BEARER} '${EXAMPLE_ORIGIN}/api/connections'`,
  },
  {
    method: 'get',
    path: '/api/connections/:id',
    id: 'connection',
    tag: 'Administer',
    summary: 'One connection',
    description: 'For administrators.',
    token: 'required',
    parameters: [ID],
    answers: [json('The connection.', schemas.connection)],
    errors: ['token_missing', 'denied', 'not_found'],
    example: `curl -s ${BEARER} "${EXAMPLE_ORIGIN}/api/connections/$ID"`,
  },
  {
    method: 'delete',
    path: '/api/connections/:id',
    id: 'cut',
    tag: 'Administer',
    summary: 'Cut a connection',
    description: 'For administrators. The client is told with 4403.',
    token: 'required',
    parameters: [ID],
    answers: [{ status: 204, description: 'It is cut.' }],
    errors: ['token_missing', 'denied', 'not_found'],
    example: `curl -s ${BEARER} -X DELETE "${EXAMPLE_ORIGIN}/api/connections/$ID"`,
  },
  {
    method: 'post',
    path: '/mcp',
    id: 'mcp',
    tag: 'Agents',
    summary: 'The Model Context Protocol',
    description: 'Tools for language models, over streamable HTTP without sessions: JSON-RPC 2.0.',
    token: 'optional',
    body: {
      description: 'A JSON-RPC request.',
      schema: schemas.jsonRpcRequest,
      example: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
    },
    answers: [
      json('A JSON-RPC answer.', schemas.jsonRpcAnswer),
      { status: 202, description: 'A notification was taken.' },
      json('No request that the protocol knows.', schemas.jsonRpcAnswer, 406),
    ],
    errors: ['too_large', 'origin_denied', 'unsupported_type'],
    example: `curl -s -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\
  -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' '${EXAMPLE_ORIGIN}/mcp'`,
  },
];

/** What a route may refuse with whatever it does. */
export function errorsOf({ token, method, errors }: Route): readonly ErrorCode[] {
  const everywhere: ErrorCode[] = ['bad_request', 'denied', 'internal'];
  const ofTokens = token === 'none' ? [] : [...OF_TOKENS, 'rate_limited' as const];
  const all = new Set<ErrorCode>([...everywhere, ...ofTokens, ...errors]);
  if (method === 'post') all.add('rate_limited');
  return [...all];
}
