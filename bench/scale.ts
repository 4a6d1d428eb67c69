/**
 * What does a delivery cost as the hub grows: with 1, 2 and 3 nodes, and with ten times the subscribers, the topics and
 * the rate, one at a time?
 *
 * Nodes: every node has 1,000 subscribers of one topic, so twice the nodes deliver twice as much; measured is the CPU
 * of all nodes together, and that of Redis per published message. Factors: one node and stock Socket.IO with its Redis
 * adapter, in turn; everything but one factor stays the same. Each subscriber reads a tenth of the topics, so that the
 * same number of deliveries comes from more and more topics.
 *
 * Not measured: nodes on separate machines, and NGINX in front: the load connects to the nodes directly. On a machine
 * with fewer cores than processes they wait for one another, and waiting messages are written together: the CPU per
 * delivery is then, if anything, too low, and wall-clock throughput means nothing. A server that falls behind (`share`
 * below 1) is measured all the same.
 */
import { manyTopics, oneTopic } from './lib/cases.js';
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { type Case, type Measured, runCase } from './lib/run-case.js';
import { median, quantile } from './lib/statistics.js';
import { hub, type Peer, STOCK } from './peers/peers.js';

export interface ScaleRow {
  readonly peer: string;
  readonly nodes: number;
  /** The value of the factor, with its unit. */
  readonly at: string;
  /** µs of the servers' CPU for each delivery. */
  readonly microseconds: number;
  /** Deliveries per second of CPU of all nodes. */
  readonly perCpuSecond: number;
  readonly deliveriesPerSecond: number;
  /** µs of Redis's CPU for each message that was published. */
  readonly redisMicroseconds: number;
  readonly share: number;
  readonly p99Ms: number;
}

export interface ScaleSeries {
  readonly factor: string;
  /** The factors that stay the same. */
  readonly fixed: string;
  readonly rows: readonly ScaleRow[];
}

interface Step {
  readonly at: string;
  readonly case: Case;
  readonly nodes?: number;
}

interface Series {
  readonly factor: string;
  readonly fixed: string;
  readonly peers: readonly Peer[];
  readonly steps: readonly Step[];
}

const PEERS: readonly Peer[] = [hub('socketio'), STOCK];
const count = (value: number) => value.toLocaleString('en');

const SERIES: readonly Series[] = [
  {
    factor: 'Nodes',
    fixed: '1,000 subscribers of 1 topic on each node, 300 msg/s',
    peers: [hub('socketio')],
    steps: [1, 2, 3].map((nodes) => ({
      at: nodes === 1 ? '1 node' : `${nodes} nodes`,
      case: oneTopic(1_000 * nodes, 300),
      nodes,
    })),
  },
  {
    factor: 'Subscribers',
    fixed: '1 topic, 50 msg/s',
    peers: PEERS,
    steps: [100, 1_000, 10_000].map((subscribers) => ({
      at: `${count(subscribers)} subscribers`,
      case: oneTopic(subscribers, 50),
    })),
  },
  {
    factor: 'Topics',
    fixed: '1,000 subscribers, 100 deliveries of each message, 1,000 msg/s',
    peers: PEERS,
    steps: [10, 100, 1_000].map((topics) => ({
      at: `${count(topics)} topics`,
      case: manyTopics(topics, topics / 10, 1_000, 1_000),
    })),
  },
  {
    factor: 'Rate',
    fixed: '1 topic, 1,000 subscribers',
    peers: PEERS,
    steps: [10, 100, 1_000].map((perSecond) => ({
      at: `${count(perSecond)} msg/s`,
      case: oneTopic(1_000, perSecond),
    })),
  },
];

async function scaleSeries({ factor, fixed, peers, steps }: Series, rounds: number): Promise<ScaleSeries> {
  const all = steps.flatMap((step) => peers.map((peer) => ({ step, peer, measured: [] as Measured[] })));
  for (let round = 0; round < rounds; round++) {
    for (const { step, peer, measured } of all)
      measured.push(await runCase(peer, step.case, step.nodes === undefined ? {} : { nodes: step.nodes }));
  }
  return { factor, fixed, rows: all.map(({ step, peer, measured }) => summary(step, peer, measured)) };
}

function summary(step: Step, peer: Peer, measured: readonly Measured[]): ScaleRow {
  const middle = (of: (one: Measured) => number) => median(measured.map(of));
  return {
    peer: peer.name,
    nodes: step.nodes ?? 1,
    at: step.at,
    microseconds: middle(({ perCpuSecond }) => 1e6 / perCpuSecond),
    perCpuSecond: middle(({ perCpuSecond }) => perCpuSecond),
    deliveriesPerSecond: middle(({ delivered, seconds }) => delivered / seconds),
    redisMicroseconds: middle(
      ({ redisCpuSeconds, seconds }) => (redisCpuSeconds / seconds / step.case.perSecond) * 1e6,
    ),
    share: middle(({ share }) => share),
    p99Ms: middle(({ latencies }) => quantile(latencies, 0.99)),
  };
}

function scaleTable({ factor, fixed, rows }: ScaleSeries): string {
  const lines = rows.map(
    ({ at, peer, microseconds, perCpuSecond, deliveriesPerSecond, redisMicroseconds, share, p99Ms }) =>
      `  ${at.padEnd(18)} ${peer.padEnd(16)} ${microseconds.toFixed(2).padStart(6)} µs each  ${count(Math.round(perCpuSecond)).padStart(9)} per CPU-second  ${count(Math.round(deliveriesPerSecond)).padStart(9)}/s  Redis ${redisMicroseconds.toFixed(1).padStart(5)} µs a message  share ${share.toFixed(2)}  p99 ${p99Ms.toFixed(1)} ms`,
  );
  return `${factor} (${fixed})\n${lines.join('\n')}\n`;
}

export async function benchScale(rounds = option('rounds', 2)): Promise<void> {
  const results: ScaleSeries[] = [];
  for (const series of SERIES) {
    const result = await scaleSeries(series, rounds);
    console.log(scaleTable(result));
    results.push(result);
    saveResult('scale', results);
  }
}

if (isMain(import.meta.url)) await benchScale();
