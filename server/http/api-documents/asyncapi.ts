/**
 * AsyncAPI 3 of the two kinds of sockets. `receive` is what the hub receives: a client's requests; `send` is what it
 * sends.
 */
import type { OperationName } from '@axiom-streaming/protocol/requests';
import type { z } from 'zod';
import { OPERATION_NAMES, OPERATIONS } from '../../hub/operations/handler.js';
import { type Json, jsonSchema } from './json-schema.js';
import type { DocumentOptions } from './openapi.js';
import * as schemas from './schemas.js';

interface ServerEvent {
  readonly summary: string;
  readonly info?: z.ZodType;
  /** Whether it carries a cursor; on Socket.IO that is the last argument. */
  readonly cursor: boolean;
  readonly example?: Json;
}

const CURSOR = 'market.HaTSfK.2';
/** The package that a reader of the document installs. */
const CLIENT = "'socket.io-client'";
const EVENTS: Record<string, ServerEvent> = {
  welcome: {
    summary: 'A connection begins',
    info: schemas.events.welcome,
    cursor: true,
    example: {
      node: 'node1',
      connection: 'IMCQo8ThY219O7IHAAAA',
      streams: [{ name: 'market', class: 'state' }],
    },
  },
  message: {
    summary: 'A message of a topic that the connection reads',
    info: schemas.message,
    cursor: true,
    example: { topic: 'market:DEMO', seq: 2, time: 1795459362473, data: { price: 1 } },
  },
  position: { summary: 'Everything up to this cursor was sent', cursor: true },
  gap: {
    summary: 'Messages that this connection will not get',
    info: schemas.events.gap,
    cursor: false,
    example: {
      stream: 'news',
      topics: ['news:*'],
      recovered: false,
      reason: 'slow',
      from: 3,
      to: 9,
      epoch: 'zK4A1o',
    },
  },
  degraded: {
    summary:
      'The log of some streams is unreachable, or the connection is slow; sent again when that has ended',
    info: schemas.events.degraded,
    cursor: false,
    example: { degraded: true, reason: 'log_unavailable', streams: ['market'] },
  },
  drain: {
    summary: 'The node is about to close the connection: reconnect, and another node answers',
    info: schemas.events.drain,
    cursor: false,
    example: { reconnectInMs: 1500 },
  },
  expiring: {
    summary: 'The token is about to end',
    info: schemas.events.expiring,
    cursor: false,
    example: { expiresInMs: 60000 },
  },
};

/** How each kind of socket encodes the same operations and events. */
interface Dialect {
  readonly id: 'socketio' | 'websocket';
  readonly address: string;
  readonly title: string;
  readonly description: (url: string) => string;
  request(operation: OperationName): { schema: Json; example: unknown };
  acknowledgement(operation: OperationName): Json;
  event(name: string, event: ServerEvent): { schema: Json; example: unknown };
}

const draft7 = (schema: z.ZodType) => jsonSchema(schema, 'draft-7');
const REFUSED = draft7(schemas.refusal);
const cursorSchema = draft7(schemas.cursor);

const tuple = (...items: Json[]): Json => ({
  type: 'array',
  items,
  minItems: items.length,
  maxItems: items.length,
});

/** An object with fields before those of another. */
function withFields(fields: Record<string, Json>, schema: Json, required = Object.keys(fields)): Json {
  return {
    ...schema,
    properties: { ...fields, ...(schema.properties as Json | undefined) },
    required: [...required, ...((schema.required as string[] | undefined) ?? [])],
  };
}

const OK: Json = { const: true };

const SOCKET_IO: Dialect = {
  id: 'socketio',
  address: '/socket.io/',
  title: 'Socket.IO 4',
  description: (
    url,
  ) => `Any Socket.IO 4 client, unmodified. An operation is an event with one argument and an acknowledgement. The client
recovers automatically: what it missed follows \`welcome\`.

\`\`\`js
import { io } from ${CLIENT};

const [, , token] = process.argv;
const socket = io('${new URL(url).origin}', { ${pathOption(url)}auth: { token } });
socket.on('message', (message, cursor) => console.log(message.topic, message.seq, message.data));
socket.on('gap', (info) => console.warn('lost', info));
socket.on('connect', async () => {
  if (socket.recovered) return;
  const answer = await socket.emitWithAck('subscribe', { topics: ['market:*'], rewind: 3 });
  if (!answer.ok) console.error(answer.error.message);
});
\`\`\``,
  request(operation) {
    const { schema, example } = OPERATIONS[operation];
    return { schema: tuple({ const: operation }, draft7(schema)), example: [operation, example] };
  },
  acknowledgement(operation) {
    const accepted = withFields({ ok: OK }, draft7(schemas.acknowledgements[operation]));
    return tuple({ anyOf: [accepted, REFUSED] });
  },
  event(name, { info, cursor, example }) {
    const args = [...(info === undefined ? [] : [draft7(info)]), ...(cursor ? [cursorSchema] : [])];
    const values = [...(example === undefined ? [] : [example]), ...(cursor ? [CURSOR] : [])];
    return { schema: tuple({ const: name }, ...args), example: [name, ...values] };
  },
};

const ID: Json = {
  type: ['string', 'number'],
  description: 'chosen by the client, returned in the acknowledgement',
};

const WEBSOCKET: Dialect = {
  id: 'websocket',
  address: '/ws',
  title: 'WebSocket',
  description: (
    url,
  ) => `Text frames, one JSON object each. The client keeps the last cursor it received, and sends it as \`since\` when it
reconnects. The id of a publication is \`messageId\` here.

\`\`\`js
const socket = new WebSocket('${url.replace(/^http/, 'ws')}/ws');
socket.onopen = () => socket.send('{"op":"subscribe","id":1,"topics":["market:*"],"rewind":3}');
socket.onmessage = ({ data }) => console.log(data);
\`\`\``,
  request(operation) {
    const { schema, example } = OPERATIONS[operation];
    const { properties, ...rest } = draft7(schema);
    const { id, ...fields } = properties as Record<string, Json>;
    const named = { ...rest, properties: { ...fields, ...(id === undefined ? {} : { messageId: id }) } };
    return {
      schema: withFields({ op: { const: operation }, id: ID }, named, ['op']),
      example: { op: operation, id: 1, ...example },
    };
  },
  acknowledgement(operation) {
    const head = { op: { const: 'ack' }, id: ID };
    const accepted = draft7(schemas.acknowledgements[operation]);
    return {
      anyOf: [withFields({ ...head, ok: OK }, accepted, ['op', 'ok']), withFields(head, REFUSED, ['op'])],
    };
  },
  event(name, { info, cursor, example }) {
    const op = { const: name };
    const tail: Record<string, Json> = cursor ? { cursor: cursorSchema } : {};
    const tailExample = cursor ? { cursor: CURSOR } : {};
    // A message keeps its fields to itself; other events lie flat in their frame.
    if (name === 'message' || info === undefined) {
      const own: Record<string, Json> = info === undefined ? {} : { message: draft7(info) };
      const fields = { op, ...own, ...tail };
      const value = info === undefined ? {} : { message: example };
      return {
        schema: { type: 'object', properties: fields, required: Object.keys(fields) },
        example: { op: name, ...value, ...tailExample },
      };
    }
    return {
      schema: withFields({ op, ...tail }, draft7(info)),
      example: { op: name, ...example, ...tailExample },
    };
  },
};

/** @returns the document, fit for `JSON.stringify` */
export function asyncApi({ version, url }: DocumentOptions): Json {
  const { host, protocol } = new URL(url);
  const dialects = [SOCKET_IO, WEBSOCKET];
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Axiom Streaming over Socket.IO and WebSocket',
      version,
      description: dialects
        .map((dialect) => `## ${dialect.title}\n\n${dialect.description(url)}`)
        .join('\n\n'),
    },
    defaultContentType: 'application/json',
    servers: Object.fromEntries(
      dialects.map(({ id, title, address }) => [
        id,
        {
          host,
          pathname: pathBelow(url, address),
          protocol: protocol === 'https:' ? 'wss' : 'ws',
          title,
          security: [{ $ref: '#/components/securitySchemes/bearer' }],
        },
      ]),
    ),
    channels: Object.fromEntries(dialects.map((dialect) => [dialect.id, channel(dialect)])),
    operations: Object.assign({}, ...dialects.map(operations)) as Json,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A JWT, or the key of a service. Socket.IO: `auth: { token }`. Public streams need none.',
        },
      },
    },
  };
}

/** A path of the hub as it is seen from outside, below the hub's base path. */
function pathBelow(url: string, path: string): string {
  return new URL(url).pathname.replace(/\/$/, '') + path;
}

/** What Socket.IO needs beside the origin where the hub has a base path. */
function pathOption(url: string): string {
  const path = pathBelow(url, '/socket.io/');
  return path === '/socket.io/' ? '' : `path: '${path}', `;
}

function channel(dialect: Dialect): Json {
  const messages: Record<string, Json> = {};
  for (const operation of OPERATION_NAMES) {
    const { schema, example } = dialect.request(operation);
    messages[operation] = {
      name: operation,
      title: operation,
      summary: OPERATIONS[operation].summary,
      payload: schema,
      examples: [{ payload: example }],
    };
    messages[`${operation}Acknowledged`] = {
      name: `${operation} acknowledged`,
      title: `Acknowledgement of ${operation}`,
      payload: dialect.acknowledgement(operation),
    };
  }
  for (const [name, event] of Object.entries(EVENTS)) {
    const { schema, example } = dialect.event(name, event);
    messages[name] = {
      name,
      title: name,
      summary: event.summary,
      payload: schema,
      examples: [{ payload: example }],
    };
  }
  return {
    address: dialect.address,
    title: dialect.title,
    servers: [{ $ref: `#/servers/${dialect.id}` }],
    messages,
  };
}

function operations({ id, title }: Dialect): Json {
  const channel = { $ref: `#/channels/${id}` };
  const message = (name: string) => ({ $ref: `#/channels/${id}/messages/${name}` });
  const requests = OPERATION_NAMES.map((operation) => [
    `${id}.${operation}`,
    {
      action: 'receive',
      channel,
      title: `${title}: ${operation}`,
      summary: OPERATIONS[operation].summary,
      messages: [message(operation)],
      reply: { channel, messages: [message(`${operation}Acknowledged`)] },
    },
  ]);
  const events = Object.entries(EVENTS).map(([name, { summary }]) => [
    `${id}.${name}`,
    { action: 'send', channel, title: `${title}: ${name}`, summary, messages: [message(name)] },
  ]);
  return Object.fromEntries([...requests, ...events]) as Json;
}
