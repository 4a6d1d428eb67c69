/** One hostile client, which does one kind of harm as often as it can: a stranger, or the holder of a valid token. */

import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { constants, setPriority } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import type { HostileAnswer, HostileKind, HostileOrder } from './hostile-kinds.js';

/** The address that it appears to come from, because limits do not apply to this machine. */
const ADDRESS = '203.0.113.66';
const WORKERS = 8;
const MIB = 1024 * 1024;
const LINES = gzipSync('1\n'.repeat(4 * MIB - 10));
const WIDE = gzipSync(
  `[{"topic":"news:a","data":1,${Array.from({ length: 600_000 }, (_, n) => `"f${n}":1`).join(',')}}]`,
);
const DEEP = gzipSync('['.repeat(8 * MIB - 100));
const TOPICS = Array.from({ length: 250 }, (_, n) => `news:${String(n).padStart(120, 'k')}`);
const sockets = new Set<Socket>();
const agent = new Agent({ keepAlive: true, maxSockets: 200 });

interface Hostile {
  readonly port: number;
  readonly token: string | undefined;
  /** Different each time. */
  readonly n: number;
}

const gzip = { 'Content-Encoding': 'gzip' };
const BATCH_OF_CALLS = JSON.stringify(
  Array.from({ length: 100 }, (_, id) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'read_topic', arguments: { topic: 'market:*', limit: 200 } },
  })),
);

const MCP = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };
const WAIT = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'wait_for_message', arguments: { topic: 'news:never', timeout_seconds: 20 } },
});

/** Kinds of harm. Each call is one attempt. */
const KINDS: Readonly<Record<HostileKind, (it: Hostile) => Promise<void>>> = {
  'inflating lines': (it) => call(it, 'POST', '/api/messages', LINES, gzip),
  'inflating fields': (it) => call(it, 'POST', '/api/messages', WIDE, gzip),
  'inflating brackets': (it) => call(it, 'POST', '/api/messages', DEEP, gzip),
  'history of a rare key': (it) => call(it, 'GET', '/api/topics/market:RARE/messages?limit=1000'),
  'large history': (it) => call(it, 'GET', '/api/topics/market:*/messages?limit=1000'),
  'answers that nobody reads': (it) => unread(it, '/api/topics/market:*/messages?limit=1000'),
  'calls of MCP': (it) => call(it, 'POST', '/mcp', BATCH_OF_CALLS, MCP),
  'waits of MCP': (it) => call(it, 'POST', '/mcp', WAIT, MCP),
  documents: (it) => call(it, 'GET', it.n % 2 === 0 ? '/openapi.json' : '/asyncapi.json'),
  'nothing there': (it) => call(it, 'GET', `/nothing/${it.n}`),
  'unknown sessions': (it) => call(it, 'GET', `/socket.io/?EIO=4&transport=polling&sid=x${it.n}`),
  handshakes: (it) => call(it, 'GET', '/socket.io/?EIO=4&transport=polling'),
  tickets: (it) => call(it, 'POST', '/api/tickets'),
  'unfinished bodies': (it) => unfinished(it),
  'snapshots again and again': (it) =>
    webSocket(it, (ws) =>
      flow(
        ws,
        (n) => `{"op":"${n % 2 === 0 ? 'subscribe' : 'unsubscribe'}","id":${n},"topics":["market:*"]}`,
      ),
    ),
  'unknown operations': (it) => webSocket(it, (ws) => flow(ws, (n) => `{"op":"nothing","id":${n}}`)),
  'malformed publishes': (it) => webSocket(it, (ws) => flow(ws, (n) => `{"op":"publish","id":${n}}`)),
  'wide frames': (it) =>
    webSocket(it, (ws) => flow(ws, (n) => `{"op":"subscribe","id":${n},"topics":[${'1,'.repeat(80_000)}1]}`)),
  'parked sessions': (it) => park(it),
  'new keys': (it) => call(it, 'POST', `/api/topics/news:key-${it.n}/messages`, '1'),
  'publishes at the limit': (it) => call(it, 'POST', '/api/messages', batch(it.n)),
};

// It represents another machine, so its work must not take the share of the others on its core.
setPriority(constants.priority.PRIORITY_LOW);

process.on('message', (order: HostileOrder) => {
  void attack(order).then((answer) => process.send?.(answer));
});

async function attack({ port, token, kind, seconds }: HostileOrder): Promise<HostileAnswer> {
  let attempts = 0;
  const end = performance.now() + seconds * 1000;
  const kinds = kind === 'all at once' ? Object.values(KINDS) : [KINDS[kind]];
  const work = async (run: (it: Hostile) => Promise<void>) => {
    while (performance.now() < end) {
      attempts += 1;
      await Promise.race([run({ port, token, n: attempts }), delay(2_000)]);
    }
  };
  await Promise.all(
    kinds.flatMap((run) => Array.from({ length: kinds.length > 1 ? 2 : WORKERS }, () => work(run))),
  );
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  return { attempts };
}

function headersOf({ token }: Hostile): Record<string, string> {
  return {
    'X-Forwarded-For': ADDRESS,
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
  };
}

function call(
  it: Hostile,
  method: string,
  path: string,
  body: Buffer | string = '',
  headers: Record<string, string> = {},
): Promise<void> {
  return new Promise((resolve) => {
    const sent = request({
      host: '127.0.0.1',
      port: it.port,
      method,
      path,
      agent,
      headers: { ...headersOf(it), ...headers },
    });
    sent.on('response', (response) => {
      response.resume();
      response.on('close', resolve);
    });
    sent.on('error', () => resolve());
    sent.end(body);
  });
}

function raw(it: Hostile, head: string): Socket {
  const socket = connect({ host: '127.0.0.1', port: it.port });
  const headers = Object.entries(headersOf(it)).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => undefined);
  socket.on('close', () => sockets.delete(socket));
  socket.write(`${head} HTTP/1.1\r\nHost: hub\r\n${headers.join('')}`);
  sockets.add(socket);
  return socket;
}

async function unread(it: Hostile, path: string): Promise<void> {
  raw(it, `GET ${path}`).pause().write('\r\n');
  await delay(20);
}

async function unfinished(it: Hostile): Promise<void> {
  const socket = raw(it, 'POST /nothing');
  socket.resume().write('Content-Length: 15000000\r\n\r\n');
  socket.write(Buffer.alloc(MIB));
  await delay(100);
}

async function webSocket(it: Hostile, use: (ws: WebSocket) => Promise<void>, path = '/ws'): Promise<void> {
  const ws = new WebSocket(`ws://127.0.0.1:${it.port}${path}`, { headers: headersOf(it) });
  const over = new Promise<false>((resolve) => {
    ws.on('close', () => resolve(false));
    ws.on('error', () => resolve(false));
  });
  const opened = new Promise<true>((resolve) => ws.on('open', () => resolve(true)));
  if (await Promise.race([opened, over])) await use(ws);
  ws.terminate();
  await over;
}

async function flow(ws: WebSocket, frame: (n: number) => string): Promise<void> {
  for (let n = 0; n < 200 && ws.readyState === ws.OPEN; n++) {
    ws.send(frame(n));
    if (n % 20 === 19) await delay(1);
  }
}

function park(it: Hostile): Promise<void> {
  return webSocket(
    it,
    async (ws) => {
      const acknowledged = new Promise<void>((resolve) => {
        ws.on('message', (data) => {
          if (String(data).startsWith('43')) resolve();
        });
        ws.on('close', () => resolve());
      });
      ws.send('40');
      ws.send(`420${JSON.stringify(['subscribe', { topics: TOPICS }])}`);
      await acknowledged;
    },
    '/socket.io/?EIO=4&transport=websocket',
  );
}

function batch(n: number): string {
  return JSON.stringify(
    Array.from({ length: 1000 }, (_, i) => ({ topic: 'news:a', data: { n, i, pad: 'x'.repeat(100) } })),
  );
}
