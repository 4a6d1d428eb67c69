/** Throws inputs at a node in a process of its own, and says what was wrong. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createClient } from '@redis/client';
import { SECRET, token } from '../auth/support.js';
import { OwnRedis } from '../log/own-redis.js';
import { get } from '../support/http.js';
import type { NodeState } from './fuzz-node.js';
import { mutate, random } from './mutator.js';
import { type Place, TARGETS } from './targets.js';

const NODE = fileURLToPath(new URL('fuzz-node.js', import.meta.url));
const AT_ONCE = 64;
const SEED = 20_261_123;
const MAX_FINDINGS = 20;

export interface FuzzResult {
  /** Inputs by target. */
  readonly inputs: Readonly<Record<string, number>>;
  readonly findings: readonly string[];
  /** Longest CPU time of one turn of the node's event loop, ms. */
  readonly longestTurnMs: number;
  /** CPU time of reading and writing a document of 1 MiB in the node, ms. */
  readonly referenceMs: number;
  /** Heap after a collection, when it was warm and at the end. */
  readonly heapBytes: readonly [before: number, after: number];
  /** Connections that were left when all inputs were over. */
  readonly connectionsLeft: number;
}

export interface FuzzOptions {
  readonly inputs: number;
  readonly onProgress?: (line: string) => void;
  /** Before the heap is looked at, for caches to let go of what they have; ms, 0 by default. */
  readonly settleMs?: number;
}

/** @throws Error where the node ended. */
export async function fuzz({
  inputs,
  onProgress = () => undefined,
  settleMs = 0,
}: FuzzOptions): Promise<FuzzResult> {
  const redis = await OwnRedis.start();
  const channel = createClient({ url: redis.url });
  await channel.connect();
  const node = fork(NODE, {
    execArgv: ['--expose-gc', '--enable-source-maps'],
    env: {
      ...process.env,
      PORT: '0',
      NODE_ID: 'fuzzed',
      REDIS_URL: redis.url,
      FEEDS: 'off',
      JWT_SECRET: SECRET,
      REVOCATIONS_FILE: 'none',
      PUBLISH_KEY: '',
      UNAUTHENTICATED_MS: '1000',
      DRAIN_MS: '0',
      // Full before the first half is over: what grows after that is a leak.
      WINDOW_BYTES: '1000000',
    },
  });
  let ended = false;
  node.once('exit', () => {
    ended = true;
  });
  try {
    const { url } = await firstState(node);
    const place: Place = {
      port: Number(new URL(url).port),
      publish: async (name, payload) => {
        await channel.publish(name, payload as never);
      },
    };
    const grants = { subscribe: ['portfolio:*'], publish: ['news:*'] };
    const tokens = { right: await token(grants), admin: await token({ sub: 'root', admin: true }) };
    const counts: Record<string, number> = {};
    const findings: string[] = [];
    let longestTurnMs = 0;
    let warm = 0;
    for (const half of [0, 1]) {
      for (const [i, target] of TARGETS.entries()) {
        const seeds = target.seeds(tokens);
        const next = random(SEED + 100 * half + i);
        let left = Math.ceil((inputs * target.share) / 2);
        counts[target.name] = (counts[target.name] ?? 0) + left;
        const work = async () => {
          while (left > 0 && findings.length < MAX_FINDINGS) {
            left -= 1;
            if (ended) throw new Error(`the node has ended while ${target.name} were thrown at it`);
            const seed = seeds[Math.floor(next() * seeds.length)]!;
            const input = mutate(seed, next);
            const wrong = target.wrong(await target.send(place, input));
            if (wrong !== undefined)
              findings.push(
                `${target.name}: ${wrong}: ${JSON.stringify(input.toString('latin1').slice(0, 400))}`,
              );
          }
        };
        await Promise.all(Array.from({ length: target.atOnce ?? AT_ONCE }, work));
        // What was announced and is not in the log has to be asked for, which takes a moment.
        if (!(await isReady(url))) findings.push(`after ${target.name} the node is not ready`);
        const turn = (await state(node)).longestTurnMs;
        // A process that is compiled as it runs is slow in its first half.
        if (half === 1) longestTurnMs = Math.max(longestTurnMs, turn);
        onProgress(
          `${target.name.padEnd(30)} ${counts[target.name]} inputs, longest turn ${turn.toFixed(1)} ms`,
        );
      }
      await quiet(node);
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      if (half === 0) warm = (await state(node)).heapBytes;
    }
    const { heapBytes, connections, referenceMs } = await state(node);
    return {
      inputs: counts,
      findings,
      longestTurnMs,
      referenceMs,
      heapBytes: [warm, heapBytes],
      connectionsLeft: connections,
    };
  } finally {
    node.kill('SIGKILL');
    channel.destroy();
    await redis.stop();
  }
}

async function isReady(url: string): Promise<boolean> {
  for (let i = 0; i < 1_200; i++) {
    if ((await get<object>(`${url}/health/ready`)).status === 200) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

async function firstState(node: ChildProcess): Promise<NodeState> {
  const [first] = await Promise.race([
    once(node, 'message'),
    once(node, 'exit').then(() => Promise.reject(new Error('the node did not start'))),
  ]);
  return first as NodeState;
}

async function state(node: ChildProcess): Promise<NodeState> {
  node.send('report');
  const [answer] = (await once(node, 'message')) as [NodeState];
  return answer;
}

/** Waits until the connections of the inputs are over, which takes as long as one may go unauthenticated. */
async function quiet(node: ChildProcess): Promise<void> {
  for (let i = 0; i < 600 && (await state(node)).connections > 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
