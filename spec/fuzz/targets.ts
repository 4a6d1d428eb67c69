/** What is thrown at a node, and where: right inputs, of which wrong ones are made. */
import { randomBytes } from 'node:crypto';
import { messageText } from '@axiom-streaming/protocol/message';
import fc from 'fast-check';
import parser from 'socket.io-msgpack-parser';
import { exchange, type Outcome, wrongWithHttp, wrongWithSocket } from './exchange.js';

export interface Target {
  readonly name: string;
  /** Part of all inputs. */
  readonly share: number;
  /** Inputs under way at a time, default 64. What comes in one read of the node's is one turn of its event loop. */
  readonly atOnce?: number;
  /** Inputs that are right, or of the right form. */
  readonly seeds: (tokens: Tokens) => readonly Buffer[];
  readonly send: (place: Place, input: Buffer) => Promise<Outcome>;
  readonly wrong: (outcome: Outcome) => string | undefined;
}

export interface Tokens {
  readonly right: string;
  readonly admin: string;
}

export interface Place {
  readonly port: number;
  publish(channel: string, payload: Buffer): Promise<void>;
}

const http = (method: string, path: string, headers: Record<string, string> = {}, body = '') =>
  Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${Object.entries({
      ...headers,
      ...(body === '' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
    })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n${body}`,
  );

const upgrade = (path: string) =>
  http('GET', path, {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
  });

/** A client's frame. What is in it is masked with zeros, so that a mutation of it arrives as it is. */
function frame(payload: Buffer, opcode: number): Buffer {
  const { length } = payload;
  const head =
    length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | length])
      : length < 65_536
        ? Buffer.from([0x80 | opcode, 0x80 | 126, length >> 8, length & 0xff])
        : Buffer.from([
            0x80 | opcode,
            0x80 | 127,
            0,
            0,
            0,
            0,
            length >>> 24,
            (length >>> 16) & 0xff,
            (length >>> 8) & 0xff,
            length & 0xff,
          ]);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** Requests with fields of any kind: what no mutation of bytes would come upon. */
function anyRequests(count: number): object[] {
  const topic = fc.oneof(
    fc.constantFrom('news:a', 'news:*', 'market:AAPL', 'portfolio:p1', 'x:*'),
    fc.string(),
    fc.anything(),
  );
  const field = fc.constantFrom(
    'topics',
    'topic',
    'since',
    'rewind',
    'conflate',
    'maxRate',
    'data',
    'id',
    'token',
    'limit',
    '__proto__',
  );
  const request = fc.dictionary(
    field,
    fc.oneof(topic, fc.array(topic, { maxLength: 5 }), fc.anything(), fc.double()),
    { maxKeys: 5 },
  );
  return fc.sample(request, { seed: 11, numRuns: count });
}

const operations = ['subscribe', 'unsubscribe', 'publish', 'history', 'auth', 'toString', '__proto__'];
const plainRequests = [
  ['subscribe', { topics: ['news:a', 'market:*'], since: 'news.abc123.5~market.x.1' }],
  ['subscribe', { topics: ['news:*'], rewind: 10 }],
  ['unsubscribe', { topics: ['news:a'] }],
  ['publish', { topic: 'news:a', data: { price: 1.5, text: 'é' }, id: 'once' }],
  ['history', { topic: 'news:a', since: 'news.abc123.5', limit: 10 }],
  ['auth', { token: 'eyJhbGciOiJub25lIn0.e30.' }],
] as const;
const requests = (): (readonly [string, object])[] => [
  ...plainRequests,
  ...anyRequests(200).map((body, i) => [operations[i % operations.length]!, body] as const),
];
const json = (value: unknown) => {
  try {
    return JSON.stringify(value);
  } catch {
    return '{}';
  }
};

const encoder = new parser.Encoder();
const msgpack = (value: object): Buffer[] => {
  try {
    return [(encoder.encode(value as never) as unknown as Buffer[])[0]!];
  } catch {
    // Not all values can be written.
    return [];
  }
};

export const TARGETS: readonly Target[] = [
  {
    name: 'HTTP routes',
    share: 0.3,
    seeds: ({ right, admin }) => {
      const bearer = { Authorization: `Bearer ${right}` };
      const root = { Authorization: `Bearer ${admin}` };
      return [
        ...[
          '/health',
          '/health/live',
          '/health/ready',
          '/',
          '/metrics',
          '/api/nodes',
          '/api/streams',
          '/api/streams/news',
          '/api/topics/news:a',
          '/api/topics/news:a/messages?since=news.abc.1&limit=5',
        ].map((path) => http('GET', path, bearer)),
        http('POST', '/api/topics/news:a/messages', { ...bearer, 'Idempotency-Key': 'once' }, '{"price":1}'),
        http('POST', '/api/messages', bearer, '[{"topic":"news:a","data":1},{"topic":"news:b","data":[{}]}]'),
        http('POST', '/api/messages', bearer, '{"topic":"news:a","data":1}\n{"topic":"news:a","data":2}\n'),
        http('POST', '/api/messages', { ...bearer, 'Content-Encoding': 'gzip' }, 'no gzip'),
        http('POST', '/api/tickets', bearer),
        http('POST', '/api/revocations', root, '{"jti":"x","expiresAt":1}'),
        http('GET', '/api/connections', root),
        http('DELETE', '/api/connections/x', root),
        http('OPTIONS', '/api/messages', { Origin: 'http://x', 'Access-Control-Request-Method': 'POST' }),
        http('GET', '/api/streams', { Cookie: `axiom_token=${right}`, 'X-Forwarded-For': '1.2.3.4, ::1, x' }),
      ];
    },
    send: ({ port }, input) => exchange(port, input),
    wrong: wrongWithHttp,
  },
  {
    name: 'SSE query and Last-Event-ID',
    share: 0.1,
    seeds: ({ right }) => [
      http('GET', '/stream?topics=news:a,market:*&rewind=5', { 'Last-Event-ID': 'news.abc123.5~market.x.1' }),
      http('GET', '/stream?topics=news:a&topics=market:AAPL&since=news.abc123.5&lastEventId=-&ticket=x'),
      http('GET', '/stream?topics=portfolio:p1', { Cookie: `axiom_token=${right}` }),
      http('GET', '/stream?topics=news:a&conflate=latest&maxRate=5', { 'Last-Event-ID': '' }),
    ],
    send: ({ port }, input) => exchange(port, input),
    wrong: wrongWithHttp,
  },
  {
    name: 'handshakes',
    share: 0.1,
    seeds: () => [
      http('GET', '/socket.io/?EIO=4&transport=polling'),
      http('GET', '/socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA&t=x'),
      http('POST', '/socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA', {}, '40{"token":"x"}'),
      upgrade('/socket.io/?EIO=4&transport=websocket'),
      upgrade('/socket.io/?EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA'),
      upgrade('/msgpack/?EIO=3&transport=websocket'),
      upgrade('/ws'),
      upgrade('/elsewhere'),
    ],
    send: ({ port }, input) => exchange(port, input),
    wrong: wrongWithHttp,
  },
  {
    name: 'WebSocket frames',
    share: 0.15,
    seeds: () => requests().map(([op, body]) => frame(Buffer.from(json({ op, id: 1, ...body })), 1)),
    send: ({ port }, input) => exchange(port, input, upgrade('/ws')),
    wrong: wrongWithSocket,
  },
  {
    name: 'Socket.IO packets',
    share: 0.15,
    seeds: ({ right }) => [
      ...requests().flatMap(([op, body]) => [
        Buffer.concat([frame(Buffer.from('40'), 1), frame(Buffer.from(`420${json([op, body])}`), 1)]),
      ]),
      ...[
        `40{"token":"${right}"}`,
        '40{"pid":"AAAAAAAAAAAA","offset":"news.abc.1"}',
        '40/admin,',
        '41',
        '3',
        '2probe',
        '5',
        '6',
      ].map((text) => frame(Buffer.from(text), 1)),
      ...[
        '451-["publish",{"topic":"news:a","data":{"_placeholder":true,"num":0}}]',
        '459999999999-["publish"]',
        '4610-[{"_placeholder":true,"num":99}]',
      ].map((text) =>
        Buffer.concat([
          frame(Buffer.from('40'), 1),
          frame(Buffer.from(text), 1),
          frame(Buffer.from([1, 2, 3]), 2),
        ]),
      ),
    ],
    send: ({ port }, input) => exchange(port, input, upgrade('/socket.io/?EIO=4&transport=websocket')),
    wrong: wrongWithSocket,
  },
  {
    name: 'MessagePack packets',
    share: 0.1,
    seeds: () =>
      requests()
        .flatMap(([op, body]) => msgpack({ type: 2, nsp: '/', id: 0, data: [op, body] }))
        .map((packet) => Buffer.concat([frame(msgpack({ type: 0, nsp: '/' })[0]!, 2), frame(packet, 2)])),
    send: ({ port }, input) => exchange(port, input, upgrade('/msgpack/?EIO=4&transport=websocket')),
    wrong: wrongWithSocket,
  },
  {
    name: 'the Redis channel',
    share: 0.1,
    atOnce: 4,
    seeds: () => [
      hubPayload(1),
      hubPayload(1_000_000),
      Buffer.concat(
        msgpack([
          'uid',
          { type: 2, data: ['message', 1], nsp: '/' },
          { rooms: ['news:a'], except: [], flags: {} },
        ]),
      ),
      Buffer.from('{"type":0,"uid":"x","requestId":"y"}'),
      Buffer.from('{"id":"x","from":"y","question":{"ask":"list","most":10}}'),
    ],
    send: async ({ port, publish }, input) => {
      const channels = [
        'socket.io#/#news#',
        'socket.io#/#',
        'socket.io-request#/#',
        '{axiom}:ask',
        'socket.io#/#nothing#',
      ];
      for (const channel of channels) await publish(channel, input);
      // Redis takes them faster than the node: what is measured is an input, not a thousand that were read at once.
      await exchange(port, http('GET', '/health/live'));
      return { answer: Buffer.alloc(0), hung: false };
    },
    wrong: () => undefined,
  },
];

function hubPayload(first: number): Buffer {
  const [payload] = msgpack([
    'hub',
    null,
    'abc123',
    first,
    Date.now(),
    ['a', messageText('news:a', first, 1, '1')],
  ]);
  return payload!;
}
