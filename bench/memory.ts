/**
 * What an idle connection costs: resident memory of the server per connection, after a garbage collection.
 *
 * Not measured: the kernel's socket buffers, memory under load, and connections with many topics (here each reads one).
 */
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { serving } from './lib/serving.js';
import { median } from './lib/statistics.js';
import { Load } from './load/load.js';
import { hub, type Peer, PLAIN_WS, STOCK } from './peers/peers.js';

export const CONNECTIONS = 5_000;
const WARM_UP = 500;
const MEMORY_PEERS: readonly Peer[] = [hub('socketio'), STOCK, hub('websocket'), PLAIN_WS, hub('sse')];

/** Kilobytes (1,000 bytes) of resident memory per connection. */
function kilobytesPerConnection(peer: Peer, connections = CONNECTIONS): Promise<number> {
  return serving(peer, async ({ ports, restingBytes }) => {
    const loads: Load[] = [];
    const connect = async (count: number) => {
      const topics = Array.from({ length: count }, () => ['market:T00000']);
      loads.push(await Load.connect({ protocol: peer.protocol, ports, topics, sample: 0, workers: 1 }));
    };
    try {
      // The first connections include the cost of compiling code, which is paid once.
      await connect(WARM_UP);
      const before = await restingBytes();
      await connect(connections);
      return ((await restingBytes()) - before) / connections / 1000;
    } finally {
      for (const load of loads) load.close();
    }
  });
}

export interface MemoryRow {
  readonly peer: string;
  /** Kilobytes (1,000 bytes) per idle connection. */
  readonly kilobytes: number;
}

export async function benchMemory(rounds = option('rounds', 3)): Promise<void> {
  const all = new Map<string, number[]>(MEMORY_PEERS.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const peer of MEMORY_PEERS) all.get(peer.name)!.push(await kilobytesPerConnection(peer));
  }
  const rows: MemoryRow[] = [...all].map(([peer, values]) => ({ peer, kilobytes: median(values) }));
  for (const { peer, kilobytes } of rows) console.log(`${peer.padEnd(20)} ${kilobytes.toFixed(1)} KB`);
  saveResult('memory', rows);
}

if (isMain(import.meta.url)) await benchMemory();
