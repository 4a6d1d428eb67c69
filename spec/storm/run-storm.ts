/**
 * A fault storm on a cluster of this machine: publishers and subscribers of every kind go on while nodes are killed,
 * Redis loses its data or stands still, and NGINX is reloaded. In the end every published message is accounted for at
 * every subscriber (see `account.ts` for what that means).
 *
 * Not tested: losses of the network itself, clocks that jump, more than one node away at a time, and a Redis that loses
 * acknowledged writes while no node is left that remembers them. The seed fixes the schedule and who does what; when
 * things happen within milliseconds is up to the machine.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { residentBytes } from '../../bench/lib/cpu.js';
import { PUBLISH_KEY } from '../../bench/lib/credentials.js';
import { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { STORM_STREAMS, streamsFile } from './catalogue.js';
import { type AccountCounts, newCounts } from './counts.js';
import { Faults, REDIS_KEEPS_DATA } from './faults.js';
import { Publications } from './publications.js';
import { StormPublisher } from './publishers.js';
import { Random } from './random.js';
import { type FaultKind, schedule } from './schedule.js';
import { openSubscriber, planSubscriber, type StormSubscriber } from './subscriber.js';

const GC_ON_SIGNAL = fileURLToPath(new URL('../../bench/peers/gc-on-signal.cjs', import.meta.url));
/** How long subscribers may take to have everything once the storm is over. */
const CATCH_UP_MS = 60_000;
const MEMORY_AFTER_MS = 60_000;
/** Pages of the log that were read for recoveries are kept for 10 s. */
const QUIET_MS = 12_000;
const KEPT_LOG_LINES = 5_000;

export interface StormOptions {
  readonly seed: number;
  readonly lengthMs: number;
  /** Default 40; one in ten is slow, one in ten asks for conflation. */
  readonly subscribers?: number;
  /** Hears of what happens, one line each. */
  readonly onLine?: (line: string) => void;
}

/** Memory of one node after a garbage collection, bytes. */
export interface NodeMemory {
  readonly node: string;
  readonly heap: number;
  readonly resident: number;
  /** Age of the process, seconds: one that was killed began anew. */
  readonly uptime: number;
}

/** What came of a storm. */
export interface StormResult {
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly acknowledged: number;
  readonly maybe: number;
  readonly counts: AccountCounts;
  readonly endedAsSlow: number;
  /** What must not be: losses, duplicates and disorder that nobody was told of. Empty is well. */
  readonly findings: readonly string[];
  /** After the first minute (or, in a shorter storm, before the first fault) and in the end. */
  readonly memory: { readonly early: readonly NodeMemory[]; readonly late: readonly NodeMemory[] };
  /** Where the lines of the processes were written; only with findings. */
  readonly logFile: string | undefined;
}

/** Runs a storm. @throws Error where the cluster cannot be started, or something does not come back. */
export async function runStorm({
  seed,
  lengthMs,
  subscribers: count = 40,
  onLine = () => undefined,
}: StormOptions): Promise<StormResult> {
  const dir = mkdtempSync(join(tmpdir(), 'axiom-storm-'));
  const lines: string[] = [];
  let endedAsSlow = 0;
  const started = performance.now();
  let beganAt = started;
  const now = () => (performance.now() - beganAt) / 1000;
  const streams = join(dir, 'streams.json');
  writeFileSync(streams, streamsFile());
  const cluster = await LocalCluster.start({
    realIpFrom: ['127.0.0.1'],
    redisArgs: REDIS_KEEPS_DATA,
    nodeArgs: ['--require', GC_ON_SIGNAL],
    env: {
      FEEDS: 'off',
      LOG_LEVEL: 'info',
      PUBLISH_KEY,
      STREAMS_FILE: streams,
      // So small that recoveries meet the log as often as memory, and slow readers their bound.
      WINDOW_BYTES: String(512 * 1024),
      CONNECTION_BUDGET_BYTES: String(256 * 1024),
      DRAIN_MS: '2000',
    },
    onLine: (process, line) => {
      // What a node prints at its start is for people.
      if (process !== 'nginx' && !line.startsWith('{')) return;
      if (line.includes('a slow connection is ended')) endedAsSlow += 1;
      lines.push(`${now().toFixed(3)} ${process} ${line}`);
      if (lines.length > KEPT_LOG_LINES) lines.shift();
    },
  });
  try {
    beganAt = performance.now();
    const random = new Random(seed);
    const publications = new Publications();
    const counts = newCounts();
    const plans = Array.from({ length: count }, (_, i) =>
      planSubscriber(i, { random, publications, counts, now }),
    );
    const publishers = [
      ...cluster.nodes.map(({ name, url }) => ({ name, url })),
      { name: 'nginx', url: cluster.url },
    ].map(
      ({ name, url }, _, all) =>
        new StormPublisher({
          name,
          url,
          share: 1 / all.length,
          random: new Random(random.next() * 2 ** 32),
          publications,
        }),
    );
    for (const publisher of publishers) publisher.start();
    const subscribers = await Promise.all(plans.map((plan) => openSubscriber(plan, cluster.url)));

    const faults = new Faults(cluster, now);
    const storm = new AbortController();
    const reading: Reading = { everybody: false, paused: 0 };
    const pausing = subscribers
      .filter(({ plan }) => plan.slow)
      .map((slow) => pauseNowAndThen(slow, random, reading, storm.signal));
    let early = lengthMs > MEMORY_AFTER_MS ? [] : await delay(2_000).then(() => memoryOf(cluster));
    let shiftedMs = 0;
    for (const fault of schedule(seed, lengthMs)) {
      if (early.length === 0 && fault.atMs > MEMORY_AFTER_MS) {
        const before = now();
        early = await memoryInQuiet(cluster, faults, reading);
        shiftedMs = (now() - before) * 1000;
      }
      await delay(Math.max(0, fault.atMs + shiftedMs - now() * 1000));
      onLine(`${now().toFixed(1).padStart(6)} s  ${fault.kind}`);
      faults.inject(fault);
    }
    await delay(Math.max(0, lengthMs + shiftedMs - now() * 1000));
    await faults.settled();
    const late = await (lengthMs > MEMORY_AFTER_MS
      ? memoryInQuiet(cluster, faults, reading)
      : memoryOf(cluster));
    storm.abort();
    await Promise.all(pausing);
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    onLine(`${now().toFixed(1).padStart(6)} s  the storm is over; everybody catches up`);

    const ends = await publishEnds(publishers[0]!);
    await catchUp(subscribers, ends);
    for (const { client } of subscribers) client.close();
    const findings = publications.findings(new Map([...ends].map(([stream, { epoch }]) => [stream, epoch])));
    for (const { plan } of subscribers) plan.account.check();
    for (const { plan } of subscribers) {
      const { account } = plan;
      findings.push(...account.findings);
      if (account.found > account.findings.length)
        findings.push(`${account.name}: ${account.found - account.findings.length} further findings`);
    }
    return {
      faults: faults.counts,
      acknowledged: publications.acknowledged,
      maybe: publications.maybe,
      counts,
      endedAsSlow,
      findings,
      memory: { early, late },
      logFile: findings.length === 0 ? undefined : writeLog({ seed, faults, subscribers, lines }),
    };
  } finally {
    await cluster.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Who reads: for a measurement of memory, everybody. */
interface Reading {
  everybody: boolean;
  paused: number;
}

/** Stops reading for some seconds, again and again. */
async function pauseNowAndThen(
  subscriber: StormSubscriber,
  random: Random,
  reading: Reading,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await abortable(random.between(3_000, 8_000), signal);
    if (signal.aborted) break;
    if (reading.everybody) continue;
    reading.paused += 1;
    subscriber.plan.account.note('stops reading');
    subscriber.client.stall();
    await abortable(random.between(5_000, 12_000), signal);
    subscriber.client.resume();
    reading.paused -= 1;
    subscriber.plan.account.note('reads again');
  }
}

async function abortable(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: Error) => {
    if (error.name !== 'AbortError') throw error;
  });
}

/** One last message to every key. @returns the place of the last one by stream */
async function publishEnds(publisher: StormPublisher) {
  const ends = new Map<string, { epoch: string; seq: number }>();
  for (const [stream, { keys }] of Object.entries(STORM_STREAMS)) {
    for (const key of keys) ends.set(stream, await publisher.publishSurely(stream, key));
  }
  return ends;
}

/** Waits until every subscriber has been brought up to the ends; whoever is not has a finding. */
async function catchUp(
  subscribers: readonly StormSubscriber[],
  ends: ReadonlyMap<string, { epoch: string; seq: number }>,
): Promise<void> {
  const deadline = performance.now() + CATCH_UP_MS;
  const behind = () => subscribers.filter(({ plan }) => !plan.account.hasReached(ends));
  while (behind().length > 0 && performance.now() < deadline) await delay(100);
  for (const { plan } of behind()) {
    const { account } = plan;
    account.fail(`has not caught up within ${CATCH_UP_MS / 1000} s: ${account.behind(ends)}`);
  }
}

/** Under load, when faults are over, everybody reads, and what was read to mend them is forgotten. */
async function memoryInQuiet(cluster: LocalCluster, faults: Faults, reading: Reading): Promise<NodeMemory[]> {
  reading.everybody = true;
  await faults.settled();
  while (reading.paused > 0) await delay(100);
  await delay(QUIET_MS);
  const memory = await memoryOf(cluster);
  reading.everybody = false;
  return memory;
}

async function memoryOf(cluster: LocalCluster): Promise<NodeMemory[]> {
  const alive = cluster.nodes.filter(({ process }) => process.pid !== undefined);
  for (let i = 0; i < 3; i++) {
    for (const { process } of alive) process.signal('SIGUSR2');
    await delay(300);
  }
  return Promise.all(
    alive.map(async ({ name, url, process }) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      const value = (metric: string) => Number(new RegExp(`^${metric} (\\S+)$`, 'm').exec(text)?.[1]);
      return {
        node: name,
        heap: value('nodejs_heap_used_bytes'),
        resident: residentBytes(process.pid!),
        uptime: Date.now() / 1000 - value('process_start_time_seconds'),
      };
    }),
  );
}

function writeLog(parts: {
  seed: number;
  faults: Faults;
  subscribers: readonly StormSubscriber[];
  lines: readonly string[];
}): string {
  const file = join(tmpdir(), `axiom-storm-${parts.seed}-${process.pid}.log`);
  const blamed = parts.subscribers.filter(({ plan }) => plan.account.found > 0);
  writeFileSync(
    file,
    [
      'Faults',
      ...parts.faults.log,
      ...blamed.flatMap(({ plan: { account, topics } }) => [
        '',
        `${account.name}: ${topics.join(', ')}`,
        ...account.history,
      ]),
      '',
      'Processes',
      ...parts.lines,
      '',
    ].join('\n'),
  );
  return file;
}
