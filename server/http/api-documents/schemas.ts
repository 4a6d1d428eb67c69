/**
 * The answers and events of the hub as schemas, for the documents at `/openapi.json` and `/asyncapi.json`. Requests are
 * not here: they are documented by the schemas that validate them. A spec compares these with the answers of a node.
 */

import type { Answers, Refused } from '@axiom-streaming/protocol/answers';
import type { ErrorBody, ErrorCode, Problem } from '@axiom-streaming/protocol/errors';
import type {
  DegradedInfo,
  DrainInfo,
  ExpiringInfo,
  GapInfo,
  Message,
  TopicVerdict,
  WelcomeInfo,
} from '@axiom-streaming/protocol/message';
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { z } from 'zod';
import { ERRORS } from '../../errors.js';
import * as fields from '../../hub/operations/fields.js';

export const errorCode = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]);
const time = z.number().int().describe('ms since the Unix epoch');
const count = z.number().int().min(0);
export const streamClass = z.enum(['state', 'log', 'ledger']);

export const topic = z
  .string()
  .max(161)
  .regex(/^[a-z][a-z0-9_-]{0,31}:([A-Za-z0-9._/-]{1,128}|\*)$/)
  .describe('`stream:key`, or `stream:*` for a whole stream')
  .meta({ examples: ['market:AAPL'] });

export const cursor = fields.cursor
  .describe('opaque; keep the last one received')
  .meta({ examples: ['market.HaTSfK.2'] });

export const message = z.object({
  topic: topic.describe('one key, never `*`'),
  seq: z.number().int().min(1).describe('contiguous in its stream and epoch'),
  time: time.describe('when it was committed: ms since the Unix epoch'),
  data: z.unknown().describe('any JSON value'),
  conflated: count.optional().describe('how many older messages were folded into this one'),
  deleted: z.literal(true).optional().describe('the key has no value any more; `data` is null'),
});

export const problem = z.object({
  type: z.string().describe('`urn:axiom-streaming:` and the code'),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().describe('for people; may change'),
  code: errorCode,
  field: z.string().optional().describe('the field that is wrong, if there is one'),
});

export const errorBody = z.object({
  code: errorCode,
  message: z.string().describe('for people; may change'),
  field: z.string().optional(),
  retryAfterMs: count.optional(),
});

export const published = z.object({
  topic,
  seq: z.number().int().min(1),
  epoch: z.string(),
  time,
  duplicate: z.literal(true).optional().describe('the id was known: nothing was appended'),
});

export const publishedItem = published.extend({ ok: z.literal(true) });
export const refusal = z.object({ ok: z.literal(false), error: errorBody });
export const batchResult = z.union([publishedItem, refusal]);
export const batchResults = z.object({
  results: z.array(batchResult).describe('for each item, in order'),
});

export const notRecovered = z.enum([
  'epoch_changed',
  'trimmed',
  'ahead',
  'limit',
  'no_position',
  'conflated',
  'denied',
]);
export const verdict = z.object({
  topic,
  recovered: z.boolean().optional().describe('missing if there was nothing to recover'),
  reason: notRecovered.optional(),
});

export const history = z.object({
  topic,
  cursor,
  more: z.boolean(),
  recovered: z.boolean().optional().describe('only with `since`'),
  reason: notRecovered.optional(),
  messages: z.array(message),
});

export const lastMessage = z.object({ topic, class: streamClass, epoch: z.string(), last: message });

export const deleted = z.object({
  topic,
  keys: count.describe('how many keys were deleted'),
  epoch: z.string().describe('of a whole stream: the new one'),
  seq: z.number().int().min(1).optional().describe('of one key: of the message that says so'),
});

export const streamInfo = z.object({
  name: z.string(),
  class: streamClass,
  live: z.boolean(),
  epoch: z.string(),
  lastSeq: count,
  cursor,
  keys: count,
  retention: z.object({
    maxMessages: count,
    maxAgeMs: count.nullable().optional(),
    maxBytes: count,
    maxKeys: count,
  }),
});
export const streams = z.object({ streams: z.array(streamInfo) });
export const streamTopics = streamInfo.extend({ topics: z.array(topic), moreTopics: z.boolean() });

export const nodeState = z.enum(['ok', 'draining', 'degraded']);
export const healthCause = z
  .enum(['redis_unreachable', 'log_not_live', 'redis_full', 'redis_read_only'])
  .optional()
  .describe('why it is degraded; with the last two it serves readers, and refuses what must be stored');
/** What only operators are told, all of it or nothing. */
const healthDetails = z.object({
  node: z.string(),
  version: z.string(),
  instances: count.describe('nodes that are alive'),
  connections: count.describe('of all nodes'),
  redis_connected: z.boolean().nullable(),
  load_balancer: z.boolean().describe('the request came through a proxy'),
  log: z.enum(['memory', 'redis']),
  uptime_seconds: count,
});
export const health = z
  .object({ status: nodeState, cause: healthCause })
  .extend(healthDetails.partial().shape);
export const liveness = z.object({ status: z.literal('ok'), node: z.string() });
export const readiness = z.object({ status: nodeState, cause: healthCause, node: z.string() });

export const nodeReport = z.object({
  node: z.string(),
  at: time,
  startedAt: time,
  version: z.string(),
  connections: z.object({ socketio: count, websocket: count, sse: count }),
  subscriptions: count,
  published: count,
  received: count,
  delivered: count,
  publishedPerSecond: z.number(),
  receivedPerSecond: z.number(),
  deliveredPerSecond: z.number(),
  cpuPercent: z.number().describe('one core is 100'),
  rssBytes: count,
  eventLoopLagMs: z.number().describe('99th percentile'),
  redisConnected: z.boolean().nullable(),
  redisPingMs: z.number().nullable(),
  draining: z.boolean(),
});
export const nodes = z.object({
  node: z.string().describe('the one that answers'),
  nodes: z.array(nodeReport),
});

export const ticket = z.object({ ticket: z.string(), expiresInMs: count });
export const subscription = z.object({ id: z.string(), expiresInMs: count });
export const revocation = z.object({
  jti: z.string().optional(),
  sub: z.string().optional(),
  at: time.describe('tokens of the subject that were issued up to then are revoked'),
  expiresAt: time.describe('until when it is kept'),
  apiKey: z.boolean().describe('an API key has this name or hash, and is revoked, too'),
});
export const ban = z.object({
  sub: z.string().optional(),
  address: z.string().optional().describe('of a connection without a subject'),
  until: time,
});
export const connection = z.object({
  id: z.string(),
  node: z.string(),
  transport: z.enum(TRANSPORTS),
  address: z.string(),
  subject: z.string().nullable(),
  connectedAt: time,
  expiresAt: time.nullable(),
  topics: count,
});
export const connections = z.object({
  connections: z.array(connection),
  more: z.boolean(),
  silent: z.array(z.string()).describe('nodes that did not answer in time'),
});

/** The acknowledgement of each operation if it succeeded, without `ok`. */
export const acknowledgements = {
  subscribe: z.object({
    topics: z.array(verdict),
    cursor,
    cursorMissing: z
      .literal(true)
      .optional()
      .describe('Socket.IO: the client was here before and brings no cursor'),
  }),
  unsubscribe: z.object({ topics: z.array(topic).describe('what the connection still reads') }),
  publish: published,
  history,
  auth: z.object({
    subject: z.string().optional(),
    expiresAt: time.optional(),
    streams: z.array(z.object({ name: z.string(), class: streamClass })),
    topics: z.array(topic).describe('what the connection reads'),
    ended: z.array(topic).describe('what it may no longer read'),
  }),
} as const;

/** The fields of the events, besides a cursor. */
export const events = {
  welcome: z.object({
    node: z.string(),
    connection: z.string(),
    streams: z.array(z.object({ name: z.string(), class: streamClass })),
    recovered: z.boolean().optional().describe('only if the client tried to resume a session'),
    reason: z.union([notRecovered, z.literal('session_expired')]).optional(),
    topics: z.array(verdict).optional(),
  }),
  gap: z.object({
    stream: z.string(),
    topics: z.array(topic),
    recovered: z.literal(false),
    reason: z.union([notRecovered, z.literal('slow')]),
    from: count.optional(),
    to: count.optional(),
    epoch: z.string(),
  }),
  degraded: z.object({
    degraded: z.boolean(),
    reason: z.enum(['log_unavailable', 'slow']),
    streams: z.array(z.string()).describe('only those concerned'),
  }),
  drain: z.object({ reconnectInMs: count }),
  expiring: z.object({ expiresInMs: count }),
} as const;

export const jsonRpcRequest = z.object({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string(),
  params: z.record(z.string(), z.unknown()).optional(),
});
export const jsonRpcAnswer = z.object({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.string(), z.number()]).nullable().optional(),
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
});

/** The fields of every member of a union. */
type Field<T> = T extends unknown ? keyof T : never;
type ValueOf<T, Name extends PropertyKey> = T extends unknown
  ? Name extends keyof T
    ? T[Name]
    : undefined
  : never;
/** A type as far as a schema tells it: a union of objects is one object, whose fields may be missing. */
type Told<T> = unknown extends T
  ? unknown
  : Exclude<T, object> | (Extract<T, object> extends never ? never : ToldObject<Extract<T, object>>);
type ToldObject<T> = [T] extends [readonly (infer Item)[]]
  ? readonly Told<Item>[]
  : { readonly [Name in Field<T>]: Told<ValueOf<T, Name>> };
type Tells<T, Schema extends z.ZodType> = [Told<T>] extends [Told<z.output<Schema>>]
  ? [Told<z.output<Schema>>] extends [Told<T>]
    ? true
    : false
  : false;
type Each<Checks extends Readonly<Record<string, true>>> = Checks;

/** Does not compile where a schema and the type of the protocol have other fields. */
export type SchemasTellTheProtocol = Each<{
  message: Tells<Message, typeof message>;
  problem: Tells<Problem, typeof problem>;
  errorBody: Tells<ErrorBody, typeof errorBody>;
  refusal: Tells<Refused, typeof refusal>;
  verdict: Tells<TopicVerdict, typeof verdict>;
  nodeReport: Tells<NodeReport, typeof nodeReport>;
  subscribe: Tells<Answers['subscribe'], typeof acknowledgements.subscribe>;
  unsubscribe: Tells<Answers['unsubscribe'], typeof acknowledgements.unsubscribe>;
  publish: Tells<Answers['publish'], typeof acknowledgements.publish>;
  history: Tells<Answers['history'], typeof acknowledgements.history>;
  auth: Tells<Answers['auth'], typeof acknowledgements.auth>;
  welcome: Tells<WelcomeInfo, typeof events.welcome>;
  gap: Tells<GapInfo, typeof events.gap>;
  degraded: Tells<DegradedInfo, typeof events.degraded>;
  drain: Tells<DrainInfo, typeof events.drain>;
  expiring: Tells<ExpiringInfo, typeof events.expiring>;
}>;
