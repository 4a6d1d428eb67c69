/** One measurement: a server, connections that are subscribed to it, and a publisher at a steady rate. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Load } from '../load/load.js';
import type { PublishAnswer, PublishOrder } from '../load/publisher.js';
import type { Peer } from '../peers/peers.js';
import { type Serving, serving } from './serving.js';

const PUBLISHER = fileURLToPath(new URL('../load/publisher.js', import.meta.url));

/** The load on a server. */
export interface Case {
  readonly name: string;
  /** Topics that messages are published to, in turn. */
  readonly topics: readonly string[];
  /** Topics of each connection. */
  readonly subscriptions: readonly (readonly string[])[];
  readonly perSecond: number;
}

/** The result, over the measured time. */
export interface Measured {
  readonly peer: string;
  /** Messages delivered to connections. */
  readonly delivered: number;
  readonly seconds: number;
  readonly serverCpuSeconds: number;
  readonly redisCpuSeconds: number;
  /** Messages delivered for each second of the serving process's CPU. */
  readonly perCpuSecond: number;
  /** Fraction of the messages published in the time that was delivered; below 1 the server falls behind. */
  readonly share: number;
  /** Publish to receive, ms, of the sampled connections. */
  readonly latencies: readonly number[];
  /** Bytes that the connections received. */
  readonly bytes: number;
}

export interface RunOptions {
  readonly seconds?: number;
  readonly warmupSeconds?: number;
  /** Connections of each load process that parse their messages. */
  readonly sample?: number;
  /** Servers of the peer on one Redis; default 1. */
  readonly nodes?: number;
}

/** The publisher could not keep its pace: the machine is too busy for this measurement. */
export class PublisherBehind extends Error {}

/**
 * Runs one case on one peer; the connections are spread evenly over its nodes.
 *
 * @throws Error if the sample finds a missing, misplaced or wrong message
 * @throws PublisherBehind
 */
export function runCase(peer: Peer, wanted: Case, options: RunOptions = {}): Promise<Measured> {
  return serving(peer, (servers) => measure(peer, wanted, options, servers), options.nodes);
}

async function measure(
  peer: Peer,
  wanted: Case,
  { seconds = 4, warmupSeconds = 1, sample = 2 }: RunOptions,
  { ports, redisUrl, serverCpuSeconds, redisCpuSeconds }: Serving,
): Promise<Measured> {
  const [port] = ports as [number];
  let load: Load | undefined;
  const publisher = fork(PUBLISHER);
  try {
    load = await Load.connect({ protocol: peer.protocol, ports, topics: wanted.subscriptions, sample });
    const order: PublishOrder = {
      way: peer.way,
      redisUrl,
      port: peer.way === 'nats' ? port - 1 : port,
      topics: wanted.topics,
      perSecond: wanted.perSecond,
      seconds: warmupSeconds + seconds + 0.5,
    };
    publisher.send(order);
    await delay(warmupSeconds * 1000);
    await load.forgetLatencies();
    const started = performance.now();
    const before = { count: await load.count(), cpu: serverCpuSeconds(), redis: redisCpuSeconds() };
    await delay(seconds * 1000);
    const cpu = serverCpuSeconds() - before.cpu;
    const after = await load.count();
    const elapsed = (performance.now() - started) / 1000;
    const redisCpu = redisCpuSeconds() - before.redis;
    const [{ behind }] = (await Promise.race([
      once(publisher, 'message'),
      once(publisher, 'exit').then(() => Promise.reject(new Error('the publisher died'))),
    ])) as [PublishAnswer];
    if (behind > wanted.perSecond)
      throw new PublisherBehind(`${peer.name}: the publisher itself fell behind by ${behind} messages`);
    const errors = after.errors;
    if (errors.length > 0) throw new Error(`${peer.name}, ${wanted.name}: ${errors.slice(0, 3).join('; ')}`);
    const delivered = after.messages - before.count.messages;
    return {
      peer: peer.name,
      delivered,
      seconds: elapsed,
      serverCpuSeconds: cpu,
      redisCpuSeconds: redisCpu,
      perCpuSecond: delivered / cpu,
      share: delivered / (expectedPerSecond(wanted) * elapsed),
      latencies: after.latencies,
      bytes: after.bytes - before.count.bytes,
    };
  } finally {
    publisher.kill('SIGKILL');
    load?.close();
  }
}

/** Deliveries per second when nothing falls behind. */
function expectedPerSecond({ topics, subscriptions, perSecond }: Case): number {
  const published = new Set(topics);
  const reading = subscriptions.reduce(
    (sum, own) => sum + own.filter((topic) => published.has(topic)).length,
    0,
  );
  return (reading / topics.length) * perSecond;
}
