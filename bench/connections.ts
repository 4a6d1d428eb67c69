/**
 * What do 15,000 connections cost one node: to connect, to keep in memory, and to keep alive?
 *
 * Each connects, subscribes to one topic and then waits. Measured are connections per second, by the clock and by the
 * server's CPU; resident memory per connection, after garbage collection; and the server's CPU while only heartbeats
 * are sent. Every server sends a heartbeat every 15 s: the hub and stock Socket.IO by their settings, plain ws by the
 * loop of its documentation, the hub's event streams by their comment, which no setting changes. The idle CPU includes
 * what a server does with nobody connected.
 *
 * Not measured: TLS, NGINX in front, tokens, the kernel's socket buffers, and how fast a machine with more cores would
 * connect them: the load processes compete with the server for wall-clock time. The CPU of Redis, where a Socket.IO
 * session is written for each subscription, is not counted either.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { type Serving, serving } from './lib/serving.js';
import { median } from './lib/statistics.js';
import { Load } from './load/load.js';
import { hub, type Peer, plainWs, stock } from './peers/peers.js';

export const HEARTBEAT_MS = 15_000;
/** The time of two heartbeats. */
const IDLE_SECONDS = 30;

const HEARTBEAT = { PING_INTERVAL_MS: String(HEARTBEAT_MS) };
const PEERS: readonly Peer[] = [
  hub('socketio', HEARTBEAT),
  stock(HEARTBEAT),
  hub('websocket', HEARTBEAT),
  plainWs(HEARTBEAT),
  hub('sse', HEARTBEAT),
];

export interface ConnectionsRow {
  readonly peer: string;
  readonly connections: number;
  /** Connected and subscribed, per second by the clock. */
  readonly perSecond: number;
  /** Connected and subscribed, per second of the server's CPU. */
  readonly perCpuSecond: number;
  /** Kilobytes (1,000 bytes) of the server's resident memory per connection. */
  readonly kilobytes: number;
  /** Share of one core while all are idle. */
  readonly idleCore: number;
  /** Heartbeats that a connection got in a minute. */
  readonly heartbeatsPerMinute: number;
}

async function measure(peer: Peer, connections: number, servers: Serving): Promise<ConnectionsRow> {
  const { ports, serverCpuSeconds, restingBytes } = servers;
  const loads: Load[] = [];
  const connect = async (count: number) => {
    const topics = Array.from({ length: count }, () => ['market:T00000']);
    const load = await Load.connect({ protocol: peer.protocol, ports, topics, sample: 0 });
    loads.push(load);
    return load.connectSeconds;
  };
  try {
    // The first connections include the cost of compiling code, which is paid once.
    const first = Math.ceil(Math.min(500, connections / 10));
    await connect(first);
    const bytesBefore = await restingBytes();
    const cpuBefore = serverCpuSeconds();
    const seconds = await connect(connections - first);
    const cpu = serverCpuSeconds() - cpuBefore;
    const kilobytes = ((await restingBytes()) - bytesBefore) / (connections - first) / 1000;
    const idle = await idleCost(loads, serverCpuSeconds);
    if (idle.open !== connections)
      throw new Error(`${peer.name}: ${connections - idle.open} of ${connections} connections were lost`);
    return {
      peer: peer.name,
      connections,
      perSecond: (connections - first) / seconds,
      perCpuSecond: (connections - first) / cpu,
      kilobytes,
      idleCore: idle.core,
      heartbeatsPerMinute: (idle.heartbeats / connections / IDLE_SECONDS) * 60,
    };
  } finally {
    for (const load of loads) load.close();
  }
}

async function idleCost(loads: readonly Load[], serverCpuSeconds: () => number) {
  const count = async () => {
    const counts = await Promise.all(loads.map((load) => load.count()));
    const sum = (of: 'heartbeats' | 'connections') => counts.reduce((total, each) => total + each[of], 0);
    return { heartbeats: sum('heartbeats'), open: sum('connections') };
  };
  const before = { ...(await count()), cpu: serverCpuSeconds(), at: performance.now() };
  await delay(IDLE_SECONDS * 1000);
  const cpu = serverCpuSeconds() - before.cpu;
  const core = cpu / ((performance.now() - before.at) / 1000);
  const { heartbeats, open } = await count();
  return { core, heartbeats: heartbeats - before.heartbeats, open };
}

/** @param connections of each server; the descriptors that a process may have allow 15,000, with some to spare */
export async function benchConnections(
  rounds = option('rounds', 2),
  connections = option('count', 15_000),
): Promise<void> {
  const all = new Map<string, ConnectionsRow[]>(PEERS.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const peer of PEERS)
      all.get(peer.name)!.push(await serving(peer, (servers) => measure(peer, connections, servers)));
  }
  const rows = [...all].map(([peer, measured]): ConnectionsRow => {
    const middle = (of: (row: ConnectionsRow) => number) => median(measured.map(of));
    return {
      peer,
      connections,
      perSecond: middle(({ perSecond }) => perSecond),
      perCpuSecond: middle(({ perCpuSecond }) => perCpuSecond),
      kilobytes: middle(({ kilobytes }) => kilobytes),
      idleCore: middle(({ idleCore }) => idleCore),
      heartbeatsPerMinute: middle(({ heartbeatsPerMinute }) => heartbeatsPerMinute),
    };
  });
  console.log(`${connections.toLocaleString('en')} connections, a heartbeat each ${HEARTBEAT_MS / 1000} s`);
  for (const { peer, perSecond, perCpuSecond, kilobytes, idleCore, heartbeatsPerMinute } of rows) {
    console.log(
      `  ${peer.padEnd(16)} ${Math.round(perSecond).toLocaleString('en').padStart(6)}/s  ${Math.round(perCpuSecond).toLocaleString('en').padStart(6)} per CPU-second  ${kilobytes.toFixed(1).padStart(5)} KB each  idle ${(idleCore * 100).toFixed(1)} % of a core (${heartbeatsPerMinute.toFixed(1)} heartbeats a minute)`,
    );
  }
  saveResult('connections', rows);
}

if (isMain(import.meta.url)) await benchConnections();
