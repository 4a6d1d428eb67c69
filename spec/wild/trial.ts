/**
 * Clients from outside on three nodes: all of a group at once, each with its node killed by SIGKILL, or stopped by
 * SIGSTOP, under load, and then the account of each. They share an address, so NGINX keeps them on one node; where a
 * proxy spreads them, further nodes are lost until each client has lost its own once.
 */
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { nodeNamed } from '../support/cluster.js';
import { until } from '../support/wait.js';
import { type Account, account } from './accounting.js';
import type { WildEntry } from './catalogue.js';
import { Publisher } from './publisher.js';
import { type Command, Missing } from './toolchains.js';
import { WildClient } from './wild-client.js';

const PER_SECOND = 100;
const BEFORE_KILL = 150;
const AFTER_RETURN = 150;
/** Longer than the longest pause of any client's backoff. */
const BACK_WITHIN_MS = 60_000;
const ARRIVED_WITHIN_MS = 15_000;

export interface Result {
  readonly entry: WildEntry;
  /** Why it was not tried. */
  readonly skipped?: string;
  readonly account?: Account;
  /** Seconds from the kill to the next connection. */
  readonly backAfterS?: number;
  /** What went wrong before or beside the account: it never connected, never came back, gave up. */
  readonly failure?: string;
  /** The last lines of its program. */
  readonly events?: readonly string[];
}

export interface TrialOptions {
  /** Where the clients connect. Default: NGINX of the cluster. */
  readonly url?: string;
  /** What happens to their nodes. Default: SIGKILL. */
  readonly signal?: 'SIGKILL' | 'SIGSTOP';
  readonly onLine?: (line: string) => void;
}

interface Runner {
  readonly entry: WildEntry;
  readonly client: WildClient;
  killedAt?: number;
  failure?: string;
}

let topics = 0;

/** Runs the clients. The cluster is whole again afterwards. */
export async function runTrial(
  cluster: LocalCluster,
  entries: readonly WildEntry[],
  { url = cluster.url, signal = 'SIGKILL', onLine = () => undefined }: TrialOptions = {},
): Promise<Result[]> {
  topics += 1;
  // Each program is ended where this process ends.
  process.setMaxListeners(100);
  const topic = `news:wild-${topics}`;
  const results: Result[] = [];
  const runners: Runner[] = [];
  for (const entry of entries) {
    onLine(`${entry.name} …`);
    const command = await prepared(entry);
    if (command instanceof Missing) {
      results.push({ entry, skipped: command.message });
      continue;
    }
    const client = new WildClient(entry.name, command, { url, topic });
    try {
      await client.start();
      runners.push({ entry, client });
    } catch (error) {
      results.push({
        entry,
        failure: `it did not begin: ${(error as Error).message
          .split('\n')
          .filter((line) => line !== '')
          .at(-1)}`,
        events: client.events,
      });
    }
  }
  try {
    const publications = new Publisher(cluster.nodes[0]!.url, topic, PER_SECOND);
    await loseTheirNodes(cluster, runners, publications, { signal, onLine });
    await publications.stop();
    const { seqs } = publications;
    await until('everything has arrived', () => runners.every(({ client }) => hasAll(client, seqs)), {
      withinMs: ARRIVED_WITHIN_MS,
    }).catch(() => onLine('not everything has arrived'));
    results.push(...runners.map((runner) => resultOf(runner, seqs)));
  } finally {
    for (const { client } of runners) await client.stop();
  }
  const order = (result: Result) => entries.indexOf(result.entry);
  return results.sort((a, b) => order(a) - order(b));
}

async function prepared(entry: WildEntry): Promise<Command | Missing> {
  try {
    return await entry.prepare();
  } catch (error) {
    if (error instanceof Missing) return error;
    throw error;
  }
}

async function loseTheirNodes(
  cluster: LocalCluster,
  runners: readonly Runner[],
  publications: Publisher,
  { signal, onLine }: Required<Pick<TrialOptions, 'signal' | 'onLine'>>,
): Promise<void> {
  let started = false;
  for (;;) {
    const next = runners.find(({ killedAt, client }) => killedAt === undefined && client.ended === undefined);
    if (next === undefined) break;
    const killed = nodeNamed(cluster, next.client.node ?? '');
    publications.url = cluster.nodes.find(({ name }) => name !== killed.name)!.url;
    const before = publications.seqs.length;
    if (!started) publications.start();
    started = true;
    // The one before may still be under way to the node that is lost now.
    await until('messages are published elsewhere', () => publications.seqs.length >= before + 2);
    await until(
      'messages flow',
      () => runners.every(({ client }) => client.ended !== undefined || client.seqs.length >= BEFORE_KILL),
      {
        withinMs: 30_000,
      },
    ).catch(() => onLine('not every client has messages'));
    const affected = runners.filter(
      ({ client }) => client.node === killed.name && client.ended === undefined,
    );
    onLine(`${signal} of ${killed.name}, with ${affected.length} of ${runners.length} clients`);
    const killedAt = performance.now();
    if (signal === 'SIGKILL') await killed.process.stop(signal);
    else killed.process.signal(signal);
    for (const runner of affected) runner.killedAt ??= killedAt;
    await allBack(affected, killedAt);
    if (signal === 'SIGKILL') await killed.process.start();
    else killed.process.signal('SIGCONT');
  }
  if (!started) publications.start();
}

/** Waits until each client is back and has messages again, or has said that it will not. */
async function allBack(affected: readonly Runner[], killedAt: number): Promise<void> {
  const returned = new Map<Runner, number>();
  await until(
    'they are back',
    () => {
      for (const runner of affected) {
        const { client } = runner;
        if (client.welcomes.at(-1)!.at > killedAt && !returned.has(runner))
          returned.set(runner, client.seqs.length);
      }
      return affected.every((runner) => {
        const from = returned.get(runner);
        return (
          runner.client.ended !== undefined ||
          (from !== undefined && runner.client.seqs.length >= from + AFTER_RETURN)
        );
      });
    },
    { withinMs: BACK_WITHIN_MS },
  ).catch(() => {
    for (const runner of affected) {
      if (!returned.has(runner))
        runner.failure ??= `it was not back ${BACK_WITHIN_MS / 1000} s after the kill`;
    }
  });
}

function hasAll(client: WildClient, published: readonly number[]): boolean {
  const seen = new Set(client.seqs);
  return client.ended !== undefined || published.every((seq) => seen.has(seq));
}

function resultOf({ entry, client, killedAt, failure }: Runner, published: readonly number[]): Result {
  const back = client.welcomes.find(({ at }) => killedAt !== undefined && at > killedAt)?.at;
  const why = client.ended === undefined ? failure : `it ended: ${client.ended}`;
  return {
    entry,
    account: account(published, client.seqs, client.announced),
    ...(back === undefined || killedAt === undefined ? {} : { backAfterS: (back - killedAt) / 1000 }),
    ...(why === undefined ? {} : { failure: why }),
    events: client.events,
  };
}
