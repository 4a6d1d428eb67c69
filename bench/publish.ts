/**
 * How many messages can one node take from publishers, and what does each cost the node and Redis?
 *
 * Single HTTP requests with keep-alive and a token, batches of 500, and pipelined publications over a WebSocket; all
 * through the node into Redis, with no subscribers. CPU of the node and of Redis is from /proc.
 *
 * All connections have the same token (HS256), which the node verifies once and remembers.
 *
 * Not measured: subscribers, and more than one node.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { mintToken } from '../server/auth/mint.js';
import { JWT_SECRET } from './lib/credentials.js';
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { serving } from './lib/serving.js';
import { median } from './lib/statistics.js';
import type { PublishingAnswer, PublishingOrder } from './load/publishing-worker.js';
import { hub } from './peers/peers.js';

const WORKER = fileURLToPath(new URL('load/publishing-worker.js', import.meta.url));
const SECONDS = 4;
/** Limits high enough not to matter. */
const SECURED = {
  JWT_SECRET,
  MAX_PUBLISHES_PER_SECOND_PER_SUBJECT: '10000000',
  MAX_PUBLISHES_PER_SECOND_PER_CONNECTION: '10000000',
};

export interface PublishRow {
  readonly way: string;
  readonly perSecond: number;
  readonly perCpuSecond: number;
  /** µs of Redis's CPU for each message. */
  readonly redisMicroseconds: number;
}

type Way = Omit<PublishingOrder, 'port' | 'token'> & { readonly name: string };

const WAYS: readonly Way[] = [
  { name: 'single HTTP requests, 50 connections', way: 'single', connections: 50, inFlight: 1, batchSize: 1 },
  { name: 'HTTP batches of 500, 8 connections', way: 'batch', connections: 8, inFlight: 1, batchSize: 500 },
  {
    name: 'WebSocket, 20 connections, 50 in flight',
    way: 'websocket',
    connections: 20,
    inFlight: 50,
    batchSize: 1,
  },
];

async function measure({ name: _, ...way }: Way): Promise<Omit<PublishRow, 'way'>> {
  const token = await mintToken({
    secret: SECURED.JWT_SECRET,
    issuer: '',
    audience: 'axiom-streaming',
    sub: 'bench',
    jti: 'bench',
    lastsS: 600,
    streams: { subscribe: [], publish: ['market:*'] },
    admin: false,
  });
  return serving(hub('socketio', SECURED), async ({ ports, serverCpuSeconds, redisCpuSeconds }) => {
    const worker = fork(WORKER);
    const ask = async (order: PublishingOrder | 'count') => {
      worker.send(order);
      return ((await once(worker, 'message')) as [PublishingAnswer])[0];
    };
    try {
      await ask({ ...way, port: ports[0]!, token });
      await delay(1_000);
      const started = performance.now();
      const before = { cpu: serverCpuSeconds(), redis: redisCpuSeconds(), count: await ask('count') };
      await delay(SECONDS * 1000);
      const after = await ask('count');
      const seconds = (performance.now() - started) / 1000;
      if (after.refused > 0) throw new Error(`${after.refused} messages were refused`);
      const messages = after.acknowledged - before.count.acknowledged;
      return {
        perSecond: messages / seconds,
        perCpuSecond: messages / (serverCpuSeconds() - before.cpu),
        redisMicroseconds: ((redisCpuSeconds() - before.redis) / messages) * 1e6,
      };
    } finally {
      worker.kill('SIGKILL');
    }
  });
}

export async function benchPublish(rounds = option('rounds', 3)): Promise<void> {
  const rows: PublishRow[] = [];
  for (const way of WAYS) {
    const all = [];
    for (let round = 0; round < rounds; round++) all.push(await measure(way));
    const row: PublishRow = {
      way: way.name,
      perSecond: median(all.map(({ perSecond }) => perSecond)),
      perCpuSecond: median(all.map(({ perCpuSecond }) => perCpuSecond)),
      redisMicroseconds: median(all.map(({ redisMicroseconds }) => redisMicroseconds)),
    };
    rows.push(row);
    console.log(
      `${row.way.padEnd(42)} ${Math.round(row.perSecond).toLocaleString('en').padStart(9)}/s  ${Math.round(row.perCpuSecond).toLocaleString('en').padStart(9)} per CPU-second  Redis ${row.redisMicroseconds.toFixed(1)} µs each`,
    );
    saveResult('publish', rows);
  }
}

if (isMain(import.meta.url)) await benchPublish();
