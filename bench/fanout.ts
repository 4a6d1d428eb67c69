/**
 * How many deliveries does a second of the server's CPU make?
 *
 * Compares the hub's whole path (publisher → stream log in Redis → node → connections) with stock Socket.IO and its
 * Redis adapter, plain ws, a bare write loop (the floor), and Nchan and NATS if they are installed. All take turns in
 * one run, each with its own Redis and processes. The results are medians of the rounds; CPU is that of the serving
 * process from /proc, for NGINX with its worker.
 *
 * Not measured: networks other than loopback, TLS, compression, more than one node, wall-clock throughput (the load
 * connections take as much CPU as the server), and Redis, whose CPU is printed but not counted. A server that falls
 * behind is measured all the same: `share` is the fraction of the published messages that it delivered in the time, and
 * its messages per write grow with its backlog.
 */
import { MissingProgram } from '../server/local-cluster/managed-process.js';
import { manyTopics, oneTopic } from './lib/cases.js';
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { type Case, type Measured, runCase } from './lib/run-case.js';
import { median, quantile } from './lib/statistics.js';
import { FLOOR, hub, NATS, NCHAN, type Peer, PLAIN_WS, STOCK } from './peers/peers.js';

/** Medians of one peer in one case. */
export interface FanoutRow {
  readonly peer: string;
  /** Deliveries per second of the server's CPU. */
  readonly perCpuSecond: number;
  /** The values of all rounds. */
  readonly rounds: readonly number[];
  readonly share: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly redisCpuShare: number;
  readonly bytesPerMessage: number;
}

export interface FanoutCase {
  readonly name: string;
  readonly rows: readonly FanoutRow[];
}

const ALL: readonly Peer[] = [
  hub('socketio'),
  hub('websocket'),
  hub('sse'),
  STOCK,
  PLAIN_WS,
  FLOOR,
  NATS,
  NCHAN,
];
/** Nchan's subscribers have one channel each, and NATS was not set up for many subjects here. */
const MANY_TOPICS: readonly Peer[] = [hub('socketio'), hub('websocket'), hub('sse'), STOCK, PLAIN_WS, FLOOR];

/** Every case with its peers. */
const FANOUT_CASES: readonly { readonly case: Case; readonly peers: readonly Peer[] }[] = [
  { case: oneTopic(1_000, 1_000), peers: ALL },
  { case: manyTopics(200, 20, 1_000, 5_000), peers: MANY_TOPICS },
  { case: oneTopic(1_000, 100), peers: ALL },
  { case: manyTopics(10_000, 20, 1_000, 5_000), peers: [hub('socketio'), STOCK, FLOOR] },
  { case: oneTopic(10_000, 20), peers: [hub('socketio'), STOCK, FLOOR] },
];

/** Runs one case on its peers, in turn, `rounds` times. */
async function fanoutCase(wanted: Case, peers: readonly Peer[], rounds: number): Promise<FanoutCase> {
  const measured = new Map<string, Measured[]>();
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      try {
        const result = await runCase(peer, wanted);
        measured.set(peer.name, [...(measured.get(peer.name) ?? []), result]);
      } catch (error) {
        if (!(error instanceof MissingProgram)) throw error;
        if (round === 0) console.log(`${peer.name} is left out: ${error.message}`);
      }
    }
  }
  return { name: wanted.name, rows: [...measured].map(([peer, all]) => summary(peer, all)) };
}

function summary(peer: string, all: readonly Measured[]): FanoutRow {
  const middle = (of: (measured: Measured) => number) => median(all.map(of));
  return {
    peer,
    perCpuSecond: middle(({ perCpuSecond }) => perCpuSecond),
    rounds: all.map(({ perCpuSecond }) => Math.round(perCpuSecond)),
    share: middle(({ share }) => share),
    p50Ms: middle(({ latencies }) => quantile(latencies, 0.5)),
    p99Ms: middle(({ latencies }) => quantile(latencies, 0.99)),
    redisCpuShare: middle(({ redisCpuSeconds, seconds }) => redisCpuSeconds / seconds),
    bytesPerMessage: middle(({ bytes, delivered }) => bytes / delivered),
  };
}

/** A case as a table for the terminal, with the ratio of the hub's Socket.IO to each peer. */
function fanoutTable({ name, rows }: FanoutCase): string {
  const own = rows[0]!.perCpuSecond;
  const lines = rows.map(({ peer, perCpuSecond, share, p50Ms, p99Ms, rounds }) =>
    [
      peer.padEnd(20),
      `${(perCpuSecond / 1e6).toFixed(3)} M/CPU-s`.padStart(15),
      `hub × ${(own / perCpuSecond).toFixed(2)}`.padStart(12),
      `share ${share.toFixed(2)}`,
      `p50 ${p50Ms.toFixed(1)} ms`.padStart(14),
      `p99 ${p99Ms.toFixed(1)} ms`.padStart(15),
      `(${Math.min(...rounds).toLocaleString('en')} – ${Math.max(...rounds).toLocaleString('en')})`,
    ].join('  '),
  );
  return `${name}\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

export async function benchFanout(rounds = option('rounds', 5)): Promise<void> {
  const cases: FanoutCase[] = [];
  for (const { case: wanted, peers } of FANOUT_CASES) {
    const result = await fanoutCase(wanted, peers, rounds);
    console.log(fanoutTable(result));
    cases.push(result);
    saveResult('fanout', cases);
  }
}

if (isMain(import.meta.url)) await benchFanout();
