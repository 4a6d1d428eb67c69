/**
 * What an idle connection costs: resident memory of the server per connection, after a garbage collection.
 *
 * Not measured: the kernel's socket buffers, memory under load, and what a connection with many topics costs (each
 * here reads one).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../server/cluster/local/ports.js';
import { redisServer } from '../server/cluster/local/redis-server.js';
import { residentBytes } from './lib/cpu.js';
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { median } from './lib/statistics.js';
import { Load } from './load/load.js';
import { hub, type Peer, PLAIN_WS, STOCK } from './peers/peers.js';

export const CONNECTIONS = 5_000;
const WARM_UP = 500;
export const MEMORY_PEERS: readonly Peer[] = [hub('socketio'), STOCK, hub('websocket'), PLAIN_WS, hub('sse')];

/** Kilobytes (1,000 bytes) of resident memory per connection. */
export async function kilobytesPerConnection(peer: Peer, connections = CONNECTIONS): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'axiom-bench-'));
  const base = await freePorts(4);
  const redis = redisServer({ port: base, dir });
  const server = peer.process({ port: base + 3, redisUrl: `redis://127.0.0.1:${base}`, dir });
  const loads: Load[] = [];
  const connect = async (count: number) => {
    const topics = Array.from({ length: count }, () => ['market:T00000']);
    loads.push(
      await Load.connect({ protocol: peer.protocol, port: base + 3, topics, sample: 0, workers: 1 }),
    );
  };
  try {
    await redis.start();
    await server.start();
    // The first connections pay for code that is compiled once.
    await connect(WARM_UP);
    const before = await restingBytes(server.pid!);
    await connect(connections);
    const after = await restingBytes(server.pid!);
    return (after - before) / connections / 1000;
  } finally {
    for (const load of loads) load.close();
    await server.stop('SIGKILL');
    await redis.stop('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

async function restingBytes(pid: number): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await delay(400);
    process.kill(pid, 'SIGUSR2');
  }
  await delay(400);
  return residentBytes(pid);
}

export interface MemoryRow {
  readonly peer: string;
  /** Kilobytes (1,000 bytes) per idle connection. */
  readonly kilobytes: number;
}

export async function benchMemory(rounds: number): Promise<void> {
  const all = new Map<string, number[]>(MEMORY_PEERS.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const peer of MEMORY_PEERS) all.get(peer.name)!.push(await kilobytesPerConnection(peer));
  }
  const rows: MemoryRow[] = [...all].map(([peer, values]) => ({ peer, kilobytes: median(values) }));
  for (const { peer, kilobytes } of rows) console.log(`${peer.padEnd(20)} ${kilobytes.toFixed(1)} KB`);
  saveResult('memory', rows);
}

if (isMain(import.meta.url)) await benchMemory(option('rounds', 3));
