/**
 * A node dies and all its clients lose their connections: how long until the last of them has caught up on other nodes,
 * how much work is that for Redis, and what do the clients of the other nodes notice?
 *
 * Three nodes behind NGINX, 3,000 unmodified socket.io-clients on one of them and 100 on each of the others, each with
 * 20 of 200 topics, while messages are published; then SIGKILL. Clients come back after their library's own pause, 0.5
 * to 1.5 s. Every client checks that nothing is missing and nothing comes twice.
 *
 * Not measured: networks. On a machine with few cores the clients themselves take most of the measured time.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LocalCluster, type LocalNode } from '../server/local-cluster/local-cluster.js';
import { AUTHORIZATION, PUBLISH_KEY } from './lib/credentials.js';
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { quantile } from './lib/statistics.js';
import type { ReconnectClient, ReconnectOrder, ReconnectReport } from './load/reconnect-worker.js';

const WORKER = fileURLToPath(new URL('load/reconnect-worker.js', import.meta.url));
const TOPICS = Array.from({ length: 200 }, (_, i) => `signals:T${i}`);
const TOPICS_PER_CLIENT = 20;
const ROUND_MS = 50;
const MEASURE_MS = 5_000;
const CAUGHT_UP_WITHIN_MS = 120_000;

export interface ReconnectOptions {
  /** Of the node that is killed. */
  readonly clients: number;
  /** Of each of the others. */
  readonly others: number;
  readonly perSecond: number;
  /** Configuration of the nodes. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The result. */
export interface ReconnectResult {
  readonly clients: number;
  /** Clients that came back, each from the kill to the end of its backfill: the median and the last, ms. */
  readonly caughtUp: number;
  readonly medianMs: number;
  readonly lastMs: number;
  readonly notRecovered: number;
  /** Missing or repeated messages, of all clients. */
  readonly wrong: number;
  /** Range reads of the log by the two other nodes. */
  readonly rangeReads: number;
  readonly handshakesRefused: number;
  /** Clients of the other nodes that lost their connection. */
  readonly lostOthers: number;
  /** Publish to receive of the other nodes' clients, ms: before the kill, and from it until the last had caught up. */
  readonly othersP99Ms: { readonly before: number; readonly during: number };
}

/** Runs it once. @throws Error if not all clients come back. */
export async function reconnectStorm(options: ReconnectOptions): Promise<ReconnectResult> {
  const { clients, others, perSecond, env } = options;
  const cluster = await LocalCluster.start({
    realIpFrom: ['127.0.0.1'],
    env: { FEEDS: 'off', LOG_LEVEL: 'error', PUBLISH_KEY, ...env },
  });
  const [killed, ...survivors] = cluster.nodes as [LocalNode, ...LocalNode[]];
  const workers = [fork(WORKER), fork(WORKER), fork(WORKER)] as const;
  const publishing = new AbortController();
  try {
    const addresses = await addressesByNode(cluster);
    const on = (node: LocalNode, count: number) =>
      Array.from({ length: count }, (_, i) => client(addresses.get(node.name)!, i));
    const half = Math.ceil(clients / 2);
    const all = on(killed, clients);
    const [watching, ...leaving] = workers;
    await Promise.all([
      ask(watching, {
        do: 'connect',
        url: cluster.url,
        clients: survivors.flatMap((node) => on(node, others)),
        watches: true,
      }),
      ...leaving.map((worker, i) =>
        ask(worker, {
          do: 'connect',
          url: cluster.url,
          clients: i === 0 ? all.slice(0, half) : all.slice(half),
          watches: false,
        }),
      ),
    ]);
    const published = publish(survivors[0]!.url, perSecond, publishing.signal);
    await delay(1_000);
    await ask(watching, { do: 'forget' });
    await delay(MEASURE_MS);
    const before = await ask(watching, { do: 'report' });
    const readsBefore = await sumOfMetric(survivors, 'axiom_log_range_reads_total');
    await ask(watching, { do: 'forget' });

    const killedAt = Date.now();
    await killed.process.stop('SIGKILL');
    const reports = await untilCaughtUp(leaving, clients, killedAt);
    const during = await ask(watching, { do: 'report' });
    const readsAfter = await sumOfMetric(survivors, 'axiom_log_range_reads_total');
    const refused = await sumOfMetric(survivors, 'axiom_handshakes_refused_total');
    await delay(500);
    publishing.abort();
    await published;
    await delay(500);
    const end = await Promise.all(workers.map((worker) => ask(worker, { do: 'report' })));
    const times = reports.flatMap(({ caughtUpAt }) => caughtUpAt.map((at) => at - killedAt));
    return {
      clients,
      caughtUp: times.length,
      medianMs: quantile(times, 0.5),
      lastMs: Math.max(...times),
      notRecovered: end.reduce((sum, { notRecovered }) => sum + notRecovered, 0),
      wrong: end.reduce((sum, { wrong }) => sum + wrong, 0),
      rangeReads: readsAfter - readsBefore,
      handshakesRefused: refused,
      lostOthers: during.disconnected,
      othersP99Ms: { before: quantile(before.latencies, 0.99), during: quantile(during.latencies, 0.99) },
    };
  } finally {
    publishing.abort();
    for (const worker of workers) worker.kill('SIGKILL');
    await cluster.stop();
  }
}

function client(addresses: readonly string[], i: number): ReconnectClient {
  return {
    address: addresses[i % addresses.length]!,
    topics: Array.from({ length: TOPICS_PER_CLIENT }, (_, t) => TOPICS[(i * 7 + t * 11) % TOPICS.length]!),
  };
}

/** Addresses that NGINX sends to each node; it hashes the first three octets. */
async function addressesByNode({ url }: LocalCluster): Promise<Map<string, string[]>> {
  const addresses = new Map<string, string[]>();
  for (let i = 0; i < 300; i++) {
    const address = `127.${1 + (i >> 8)}.${i & 255}.1`;
    const response = await fetch(`${url}/health/live`, { headers: { 'X-Forwarded-For': address } });
    const { node } = (await response.json()) as { node: string };
    addresses.set(node, [...(addresses.get(node) ?? []), address]);
  }
  return addresses;
}

/** Publishes to all topics in turn, with numbers per topic, until it is aborted. */
async function publish(url: string, perSecond: number, signal: AbortSignal): Promise<void> {
  const started = performance.now();
  let next = 0;
  while (!signal.aborted) {
    await delay(ROUND_MS);
    const due = Math.floor(((performance.now() - started) / 1000) * perSecond);
    const items = Array.from({ length: Math.min(1_000, due - next) }, (_, i) => ({
      topic: TOPICS[(next + i) % TOPICS.length]!,
      data: { n: Math.floor((next + i) / TOPICS.length), at: Date.now() },
    }));
    if (items.length === 0) continue;
    const response = await fetch(`${url}/api/messages`, {
      method: 'POST',
      headers: AUTHORIZATION,
      body: JSON.stringify(items),
    });
    if (response.status !== 200) throw new Error(`a batch was answered with ${response.status}`);
    await response.arrayBuffer();
    next += items.length;
  }
}

async function untilCaughtUp(
  workers: readonly ChildProcess[],
  clients: number,
  killedAt: number,
): Promise<ReconnectReport[]> {
  for (;;) {
    const reports = await Promise.all(workers.map((worker) => ask(worker, { do: 'report' })));
    const done = reports.reduce(
      (sum, { caughtUpAt, notRecovered }) => sum + caughtUpAt.length + notRecovered,
      0,
    );
    if (done >= clients) return reports;
    if (Date.now() - killedAt > CAUGHT_UP_WITHIN_MS)
      throw new Error(
        `only ${done} of ${clients} clients came back within ${CAUGHT_UP_WITHIN_MS / 1000} s: ${reports.flatMap(({ states }) => states).join('; ')}`,
      );
    await delay(500);
  }
}

async function sumOfMetric(nodes: readonly LocalNode[], metric: string): Promise<number> {
  const texts = await Promise.all(nodes.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
  return texts
    .flatMap((text) => [...text.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\d+)`, 'gm'))])
    .reduce((sum, [, value]) => sum + Number(value), 0);
}

async function ask(worker: ChildProcess, order: ReconnectOrder): Promise<ReconnectReport> {
  worker.send(order);
  const [answer] = (await once(worker, 'message')) as [ReconnectReport];
  return answer;
}

async function benchReconnect(): Promise<void> {
  const result = await reconnectStorm({
    clients: option('clients', 3_000),
    others: option('others', 100),
    perSecond: option('rate', 50),
  });
  const { clients, caughtUp, medianMs, lastMs, notRecovered, wrong, rangeReads, handshakesRefused } = result;
  console.log(
    [
      `${caughtUp} of ${clients} clients of the killed node caught up: half of them after ${medianMs} ms, the last after ${lastMs} ms`,
      `not recovered ${notRecovered}, messages missing or repeated ${wrong}`,
      `range reads of the log ${rangeReads}, handshakes refused ${handshakesRefused}`,
      `clients of the other nodes: lost ${result.lostOthers}, p99 ${result.othersP99Ms.before} ms before, ${result.othersP99Ms.during} ms during`,
    ].join('\n'),
  );
  saveResult('reconnect', result);
}

if (isMain(import.meta.url)) await benchReconnect();
