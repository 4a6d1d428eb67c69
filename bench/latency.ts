/**
 * How long does a message take from its publisher to its subscribers?
 *
 * One topic, 1,000 subscribers on WebSocket, publish → receive in the sampled connections, through Redis. Measured at
 * 10 %, 50 % and 80 % of the load that fills one core of the hub's process; and, with equal load for both, against
 * stock Socket.IO at 10 % and at 80 % of the load that fills *its* core.
 *
 * Not measured: networks and more than one node. The load processes' own delay is part of every figure: on a machine
 * with few cores they compete with the server.
 */
import { oneTopic } from './lib/cases.js';
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { type Measured, runCase } from './lib/run-case.js';
import { median, quantile } from './lib/statistics.js';
import { hub, type Peer, STOCK } from './peers/peers.js';

const SUBSCRIBERS = 1_000;

export interface LatencyRow {
  readonly load: string;
  readonly peer: string;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly share: number;
}

/** Messages per second to all subscribers at which one core would be full. */
async function capacity(peer: Peer, perSecond: number): Promise<number> {
  const { perCpuSecond } = await runCase(peer, oneTopic(SUBSCRIBERS, perSecond));
  return perCpuSecond / SUBSCRIBERS;
}

async function row(load: string, peer: Peer, perSecond: number, rounds: number): Promise<LatencyRow> {
  const all: Measured[] = [];
  for (let round = 0; round < rounds; round++) {
    all.push(
      await runCase(peer, oneTopic(SUBSCRIBERS, Math.max(1, Math.round(perSecond))), {
        sample: 20,
        seconds: 5,
      }),
    );
  }
  const at = (q: number) => median(all.map(({ latencies }) => quantile(latencies, q)));
  return {
    load,
    peer: peer.name,
    perSecond: Math.round(perSecond),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    share: median(all.map(({ share }) => share)),
  };
}

export async function benchLatency(rounds = option('rounds', 3)): Promise<void> {
  const own = hub('socketio');
  const [ownCapacity, stockCapacity] = [await capacity(own, 1_000), await capacity(STOCK, 100)];
  console.log(
    `One full core: hub ${Math.round(ownCapacity)} msg/s, stock ${Math.round(stockCapacity)} msg/s, to ${SUBSCRIBERS} subscribers.`,
  );
  const rows: LatencyRow[] = [];
  const add = async (load: string, peer: Peer, perSecond: number) => {
    const result = await row(load, peer, perSecond, rounds);
    rows.push(result);
    console.log(
      `${load.padEnd(28)} ${peer.name.padEnd(16)} ${String(result.perSecond).padStart(5)} msg/s  p50 ${result.p50Ms.toFixed(1)}  p99 ${result.p99Ms.toFixed(1)}  p99.9 ${result.p999Ms.toFixed(1)} ms  share ${result.share.toFixed(2)}`,
    );
    saveResult('latency', rows);
  };
  for (const share of [0.1, 0.8]) {
    for (const peer of [own, STOCK])
      await add(`${share * 100} % of stock's core`, peer, stockCapacity * share);
  }
  for (const share of [0.1, 0.5, 0.8])
    await add(`${share * 100} % of the hub's core`, own, ownCapacity * share);
}

if (isMain(import.meta.url)) await benchLatency();
