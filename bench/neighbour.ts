/**
 * Do well-behaved clients notice a hostile one on their node?
 *
 * 200 readers over Socket.IO, WebSocket and SSE and 20 publishers over HTTP, calm and then beside one client that does one
 * kind of harm as often as it can: first a stranger, then the holder of a valid token. For each kind: whether a reader
 * lost anything (each checks the numbers of each publisher), p99 from publish to receive in proportion to calm, how much
 * of the node's core the hostile client got beyond calm, and the memory of the node and of Redis.
 *
 * The node has a core of its own, everything else shares another one.
 *
 * Not measured: floods from many addresses, which the hub does not claim to survive, the network's bandwidth, and NGINX,
 * which limits an address before a node does.
 */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { mintToken } from '../server/auth/mint.js';
import { cpuSeconds, residentBytes } from './lib/cpu.js';
import { JWT_SECRET } from './lib/credentials.js';
import { isMain, needLinux, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { type Serving, serving } from './lib/serving.js';
import { quantile } from './lib/statistics.js';
import { HOSTILE_KINDS, type HostileAnswer, type HostileOrder } from './load/hostile-kinds.js';
import { type Count, Load } from './load/load.js';
import type { SteadyOrder } from './load/steady-publishers.js';
import { hub } from './peers/peers.js';

const PUBLISHERS = fileURLToPath(new URL('load/steady-publishers.js', import.meta.url));
const HOSTILE = fileURLToPath(new URL('load/hostile.js', import.meta.url));
const PUBLISHER_COUNT = 20;
const READERS = { socketio: 80, websocket: 60, sse: 60 } as const;
const TOPICS_OF_A_READER = 4;
const PER_SECOND = 5;
const CALM_SECONDS = 10;
/**
 * What one subject may publish. By default it is as much as two nodes can take: a publisher that is trusted, and often the
 * only one. Who shares a hub among publishers that are not lowers it.
 */
const PUBLISHES_PER_SUBJECT = 1_000;
/** Messages that are stored before, of a kilobyte each. */
const STORED = 50_000;
/** What is asked of every kind. */
const BOUNDS = { timesP99: 2, cpuShare: 0.3, nodeBytes: 1024 ** 3, redisBytes: 1024 ** 3 } as const;

export interface NeighbourRow {
  readonly who: 'stranger' | 'subject';
  readonly kind: string;
  readonly attempts: number;
  readonly p99Ms: number;
  readonly timesCalm: number;
  /** Of the node's core, beyond what it needs when calm. */
  readonly cpuShare: number;
  /** Mistakes that readers found, and connections that were lost. */
  readonly lost: number;
  readonly nodeBytes: number;
  readonly redisBytes: number;
}

export interface NeighbourResult {
  readonly calmP99Ms: number;
  readonly calmCpuShare: number;
  readonly rows: readonly NeighbourRow[];
}

function tokenOf(sub: string, publish: string): Promise<string> {
  return mintToken({
    secret: JWT_SECRET,
    issuer: '',
    audience: 'axiom-streaming',
    sub,
    jti: sub,
    lastsS: 3_600,
    streams: { subscribe: [], publish: [publish] },
    admin: false,
  });
}

/** Stores old messages, most of other keys than the one that is looked for. */
async function fill(url: string): Promise<void> {
  const pad = 'x'.repeat(1_000);
  for (let n = 0; n < STORED; n += 1_000) {
    const items = Array.from({ length: 1_000 }, (_, i) => ({
      topic: n + i === 0 ? 'market:RARE' : `market:F${i}`,
      data: pad,
    }));
    // Each has what a subject may publish in a second.
    const headers = { Authorization: `Bearer ${await tokenOf(`filler-${n}`, 'market:*')}` };
    const response = await fetch(`${url}/api/messages`, {
      method: 'POST',
      headers,
      body: JSON.stringify(items),
    });
    if (!response.ok) throw new Error(`old messages were refused: ${await response.text()}`);
  }
}

async function readers(port: number): Promise<Load[]> {
  const loads: Load[] = [];
  for (const [protocol, count] of Object.entries(READERS)) {
    const topics = Array.from({ length: count }, (_, i) =>
      Array.from({ length: TOPICS_OF_A_READER }, (_, j) => `market:P${(i + j) % PUBLISHER_COUNT}`),
    );
    const options = { protocol: protocol as keyof typeof READERS, ports: [port], topics, sample: count };
    loads.push(await Load.connect({ ...options, workers: 1 }));
  }
  return loads;
}

/** What all readers saw in a time, and what the node's process took. */
async function phase(
  loads: readonly Load[],
  node: number,
  during: () => Promise<unknown>,
): Promise<{ p99Ms: number; cpuShare: number; counts: Count[] }> {
  await Promise.all(loads.map((load) => load.forgetLatencies()));
  const [from, cpu] = [performance.now(), cpuSeconds(node)];
  await during();
  const cpuShare = (cpuSeconds(node) - cpu) / ((performance.now() - from) / 1000);
  const counts = await Promise.all(loads.map((load) => load.count()));
  return {
    p99Ms: quantile(
      counts.flatMap(({ latencies }) => latencies),
      0.99,
    ),
    cpuShare,
    counts,
  };
}

function lossesOf(counts: readonly Count[]): number {
  const wanted = Object.values(READERS).reduce((sum, count) => sum + count, 0);
  const open = counts.reduce((sum, { connections }) => sum + connections, 0);
  return wanted - open + counts.reduce((sum, { errors }) => sum + errors.length, 0);
}

async function measure(
  { ports, pids }: Serving,
  kinds: readonly string[],
  seconds: number,
): Promise<NeighbourResult> {
  const [port = 0, node = 0] = [ports[0], pids.servers[0]];
  execFileSync('taskset', ['-apc', '0', String(node)]);
  execFileSync('taskset', ['-apc', '1', String(process.pid)]);
  execFileSync('taskset', ['-apc', '1', String(pids.redis)]);
  await fill(`http://127.0.0.1:${port}`);
  const publishers = fork(PUBLISHERS);
  const loads = await readers(port);
  try {
    const tokens = await Promise.all(
      Array.from({ length: PUBLISHER_COUNT }, (_, i) => tokenOf(`publisher-${i}`, `market:P${i}`)),
    );
    publishers.send({ port, tokens, perSecond: PER_SECOND } satisfies SteadyOrder);
    await delay(3_000);
    const calm = await phase(loads, node, () => delay(CALM_SECONDS * 1000));
    console.log(`calm: p99 ${calm.p99Ms.toFixed(1)} ms, ${percent(calm.cpuShare)} of a core`);
    const rows: NeighbourRow[] = [];
    let losses = lossesOf(calm.counts);
    for (const who of ['stranger', 'subject'] as const) {
      const token = who === 'subject' ? await tokenOf('hostile', 'news:*') : undefined;
      for (const kind of kinds) {
        const hostile = fork(HOSTILE);
        let attempts = 0;
        const { p99Ms, cpuShare, counts } = await phase(loads, node, async () => {
          hostile.send({ port, token, kind, seconds } as HostileOrder);
          [{ attempts }] = (await once(hostile, 'message')) as [HostileAnswer];
        });
        hostile.kill('SIGKILL');
        const row: NeighbourRow = {
          who,
          kind,
          attempts,
          p99Ms,
          timesCalm: p99Ms / calm.p99Ms,
          cpuShare: Math.max(0, cpuShare - calm.cpuShare),
          lost: lossesOf(counts) - losses,
          nodeBytes: residentBytes(node),
          redisBytes: residentBytes(pids.redis),
        };
        losses = lossesOf(counts);
        rows.push(row);
        console.log(lineOf(row));
        await delay(2_000);
      }
    }
    return { calmP99Ms: calm.p99Ms, calmCpuShare: calm.cpuShare, rows };
  } finally {
    publishers.kill('SIGKILL');
    for (const load of loads) load.close();
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function lineOf({
  who,
  kind,
  attempts,
  p99Ms,
  timesCalm,
  cpuShare,
  lost,
  nodeBytes,
  redisBytes,
}: NeighbourRow) {
  const mib = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`;
  const isWithin =
    lost === 0 &&
    timesCalm < BOUNDS.timesP99 &&
    cpuShare <= BOUNDS.cpuShare &&
    nodeBytes <= BOUNDS.nodeBytes &&
    redisBytes <= BOUNDS.redisBytes;
  return [
    isWithin ? 'ok  ' : 'OVER',
    who.padEnd(8),
    kind.padEnd(26),
    `${attempts}`.padStart(7),
    `p99 ${p99Ms.toFixed(1)} ms (${timesCalm.toFixed(1)} ×)`.padEnd(24),
    `CPU ${percent(cpuShare)}`.padEnd(10),
    `lost ${lost}`.padEnd(8),
    `node ${mib(nodeBytes)}, Redis ${mib(redisBytes)}`,
  ].join(' ');
}

/** @param seconds for each kind */
export async function benchNeighbour(seconds = option('seconds', 5)): Promise<void> {
  const peer = hub('socketio', {
    JWT_SECRET,
    TRUST_PROXY: 'loopback',
    MAX_PUBLISHES_PER_SECOND_PER_SUBJECT: String(PUBLISHES_PER_SUBJECT),
  });
  const result = await serving(peer, (it) => measure(it, [...HOSTILE_KINDS, 'all at once'], seconds));
  saveResult('neighbour', result);
  const over = result.rows.filter((row) => lineOf(row).startsWith('OVER'));
  console.log(
    over.length === 0
      ? 'nobody stopped the others'
      : `${over.length} of ${result.rows.length} kinds were beyond a bound`,
  );
  if (over.length > 0) process.exitCode = 1;
}

if (isMain(import.meta.url)) {
  needLinux();
  await benchNeighbour();
}
