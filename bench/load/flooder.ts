/** One hostile address: a few dozen workers, each of which tries one kind of harm without a pause. */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { constants, setPriority } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';

export interface FloodOrder {
  readonly port: number;
  readonly token: string;
  readonly seconds: number;
}

/** Attempts by kind. */
export type FloodAnswer = Readonly<Record<string, number>>;

/** The address that it appears to come from, because limits do not apply to this machine. */
const ADDRESS = '203.0.113.66';
const WORKERS = 6;

// It represents another machine, so its work must not take the node's share of the CPU.
setPriority(constants.priority.PRIORITY_LOW);

process.on('message', (order: FloodOrder) => {
  void flood(order).then((answer) => process.send?.(answer));
});

async function flood({ port, token, seconds }: FloodOrder): Promise<FloodAnswer> {
  const attempts: Record<string, number> = {};
  const end = performance.now() + seconds * 1000;
  const kinds: Record<string, () => Promise<void>> = {
    handshake: () => call(port, 'GET', '/socket.io/?EIO=4&transport=polling', {}),
    'wrong token': () =>
      call(port, 'GET', '/api/streams', { Authorization: `Bearer ${randomBytes(20).toString('hex')}` }),
    publish: () =>
      call(port, 'POST', '/api/topics/news:flood/messages', { Authorization: `Bearer ${token}` }, '1'),
    'big body': () =>
      call(
        port,
        'POST',
        '/api/topics/news:flood/messages',
        { Authorization: `Bearer ${token}` },
        'x'.repeat(1_000_000),
      ),
    'half a request': () => halfRequest(port),
    subscribe: () => socket(port, (ws) => flow(ws, '{"op":"subscribe","topics":["news:a"]}')),
    'big frame': () => socket(port, (ws) => flow(ws, 'x'.repeat(200_000))),
    ping: () =>
      socket(port, async (ws) => {
        for (let i = 0; i < 500 && ws.readyState === ws.OPEN; i++) ws.ping('x'.repeat(100));
        await delay(1);
      }),
  };
  const work = async (kind: string, run: () => Promise<void>) => {
    while (performance.now() < end) {
      attempts[kind] = (attempts[kind] ?? 0) + 1;
      await run();
    }
  };
  await Promise.all(
    Object.entries(kinds).flatMap(([kind, run]) => Array.from({ length: WORKERS }, () => work(kind, run))),
  );
  return attempts;
}

function call(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = '',
): Promise<void> {
  return new Promise((resolve) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers: { ...headers, 'X-Forwarded-For': ADDRESS },
    });
    sent.on('response', (response) => {
      response.resume();
      response.on('close', resolve);
    });
    sent.on('error', () => resolve());
    sent.end(body);
  });
}

async function halfRequest(port: number): Promise<void> {
  const half = connect({ host: '127.0.0.1', port });
  half.on('error', () => undefined);
  half.write('GET / HTTP/1.1\r\nHost: localhost\r\nX-');
  await delay(100);
  half.destroy();
}

async function socket(port: number, use: (ws: WebSocket) => Promise<void>): Promise<void> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers: { 'X-Forwarded-For': ADDRESS } });
  const over = new Promise<void>((resolve) => {
    ws.on('close', () => resolve());
    ws.on('error', () => resolve());
  });
  const opened = await Promise.race([
    new Promise<boolean>((resolve) => ws.on('open', () => resolve(true))),
    over,
  ]);
  if (opened === true) await use(ws);
  ws.terminate();
  await over;
}

async function flow(ws: WebSocket, text: string): Promise<void> {
  for (let i = 0; i < 1_000 && ws.readyState === ws.OPEN; i++) {
    ws.send(text);
    if (i % 20 === 19) await delay(1);
  }
}
