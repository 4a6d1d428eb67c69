/**
 * Do well-behaved clients notice that one address floods their node?
 *
 * 200 Socket.IO clients read a stream with 100 messages per second, first undisturbed and then while one address does
 * everything at once: handshakes, subscriptions, publications, oversized frames, pings, invalid tokens. Reported: the
 * clients' p99 in both phases, and what the node refused.
 *
 * Not measured: floods from many addresses, and bandwidth. The flooding process represents another machine and has the
 * lowest priority; the kernel's work for its half of the connections is in the figure all the same.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { mintToken } from '../server/auth/mint.js';
import { freePorts } from '../server/local-cluster/ports.js';
import { redisServer } from '../server/local-cluster/redis-server.js';
import { JWT_SECRET } from './lib/credentials.js';
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { quantile } from './lib/statistics.js';
import type { FloodAnswer, FloodOrder } from './load/flooder.js';
import { Load } from './load/load.js';
import type { PublishOrder } from './load/publisher.js';
import { hub } from './peers/peers.js';

const PUBLISHER = fileURLToPath(new URL('load/publisher.js', import.meta.url));
const FLOODER = fileURLToPath(new URL('load/flooder.js', import.meta.url));
const CLIENTS = 200;
const PER_SECOND = 100;
const CALM_SECONDS = 15;

export interface FloodResult {
  readonly seconds: number;
  readonly calmP99Ms: number;
  readonly floodP99Ms: number;
  /** What the flooding address tried, and what was refused, by kind. */
  readonly attempts: FloodAnswer;
  /** The node's own count, by limit. */
  readonly refused: Readonly<Record<string, number>>;
}

async function measure(seconds: number): Promise<FloodResult> {
  const dir = mkdtempSync(join(tmpdir(), 'axiom-bench-'));
  const base = await freePorts(2);
  const redis = redisServer({ port: base, dir });
  const port = base + 1;
  const redisUrl = `redis://127.0.0.1:${base}`;
  const server = hub('socketio', { JWT_SECRET }).process({ port, redisUrl, dir });
  const publisher = fork(PUBLISHER);
  const flooder = fork(FLOODER);
  let load: Load | undefined;
  try {
    await redis.start();
    await server.start();
    load = await Load.connect({
      protocol: 'socketio',
      ports: [port],
      topics: Array.from({ length: CLIENTS }, () => ['market:A']),
      sample: CLIENTS,
    });
    const order: PublishOrder = {
      way: 'log',
      redisUrl,
      topics: ['market:A'],
      perSecond: PER_SECOND,
      seconds: CALM_SECONDS + seconds + 5,
    };
    publisher.send(order);
    await delay(2_000);
    await load.forgetLatencies();
    await delay(CALM_SECONDS * 1000);
    const calm = await load.count();
    const token = await mintToken({
      secret: JWT_SECRET,
      issuer: '',
      audience: 'axiom-streaming',
      sub: 'flooder',
      jti: 'flooder',
      lastsS: 3_600,
      streams: { subscribe: [], publish: ['news:*'] },
      admin: false,
    });
    flooder.send({ port, token, seconds } satisfies FloodOrder);
    await delay(500);
    await load.forgetLatencies();
    const [attempts] = (await once(flooder, 'message')) as [FloodAnswer];
    const flooded = await load.count();
    if (flooded.connections < CLIENTS) throw new Error(`${CLIENTS - flooded.connections} clients were lost`);
    if (flooded.errors.length > 0) throw new Error(flooded.errors.slice(0, 3).join('; '));
    return {
      seconds,
      calmP99Ms: quantile(calm.latencies, 0.99),
      floodP99Ms: quantile(flooded.latencies, 0.99),
      attempts,
      refused: await refusals(port),
    };
  } finally {
    publisher.kill('SIGKILL');
    flooder.kill('SIGKILL');
    load?.close();
    await server.stop('SIGKILL');
    await redis.stop('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

async function refusals(port: number): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const found = text.matchAll(/^axiom_(?:limits_refused|connections_ended)_total\{\w+="(\w+)"\} (\d+)/gm);
  return Object.fromEntries([...found].map(([, name, count]) => [name!, Number(count)]));
}

export async function benchFlood(seconds = option('seconds', 60)): Promise<void> {
  const result = await measure(seconds);
  saveResult('flood', [result]);
  const { calmP99Ms, floodP99Ms, attempts, refused } = result;
  console.log(`${CLIENTS} clients, ${PER_SECOND} messages/s; one address floods for ${seconds} s`);
  console.log(`p99 ${calmP99Ms.toFixed(1)} ms calm, ${floodP99Ms.toFixed(1)} ms under the flood`);
  console.log(`attempts: ${JSON.stringify(attempts)}`);
  console.log(`refused:  ${JSON.stringify(refused)}`);
}

if (isMain(import.meta.url)) await benchFlood();
