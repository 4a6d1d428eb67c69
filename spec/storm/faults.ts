/**
 * Carries faults out on a local cluster. Faults of one part (the nodes, Redis) wait for one another, so that at most
 * one node is away: the others remember what Redis may have lost. Faults of different parts overlap.
 */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LocalCluster, LocalNode } from '../../server/local-cluster/local-cluster.js';
import type { Fault, FaultKind } from './schedule.js';

/** Redis writes each command to its file before it answers: nothing is lost by SIGKILL. */
export const REDIS_KEEPS_DATA = [
  ...['--save', '', '--appendonly', 'yes', '--appendfsync', 'no'],
  ...['--auto-aof-rewrite-min-size', '256mb'],
];

const NODE_AWAY_MS = [500, 3_000] as const;
const REDIS_AWAY_MS = [200, 2_500] as const;
const STALL_MS = [1_000, 10_000] as const;
/** The data that Redis comes back with is so old. */
const OLDER_BY_MS = [300, 2_500] as const;
const RESTART_WITHIN_MS = 60_000;

type Part = 'nodes' | 'redis' | 'nginx';

export class Faults {
  readonly counts = new Map<FaultKind, number>();
  /** Each fault with its times, seconds since the beginning. */
  readonly log: string[] = [];
  readonly #cluster: LocalCluster;
  readonly #now: () => number;
  readonly #parts = new Map<Part, Promise<void>>();

  /** @param now seconds since the storm began */
  constructor(cluster: LocalCluster, now: () => number) {
    this.#cluster = cluster;
    this.#now = now;
  }

  /** Carries one out as soon as its part is free. */
  inject(fault: Fault): void {
    const part = partOf(fault.kind);
    const before = this.#parts.get(part) ?? Promise.resolve();
    this.#parts.set(
      part,
      before.then(async () => {
        const from = this.#now();
        const what = await this.#carryOut(fault);
        this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
        this.log.push(`${from.toFixed(3)}–${this.#now().toFixed(3)} ${fault.kind}${what}`);
      }),
    );
  }

  /** Resolves when everything that was injected is over. @throws Error where something did not come back. */
  async settled(): Promise<void> {
    await Promise.all(this.#parts.values());
  }

  /** @returns what more there is to say of it */
  async #carryOut({ kind, target, extent }: Fault): Promise<string> {
    const { redis, nodes, nginx } = this.#cluster;
    const node = nodes[Math.floor(target * nodes.length)]!;
    const within = ([min, max]: readonly [number, number]) => Math.round(min + extent * (max - min));
    switch (kind) {
      case 'node killed':
      case 'node terminated': {
        const from = this.#now();
        const result = await node.process.stop(kind === 'node killed' ? 'SIGKILL' : 'SIGTERM');
        if (kind === 'node terminated' && result !== 0)
          throw new Error(`${node.name} ended with ${result} after SIGTERM`);
        const stopped = this.#now();
        await delay(within(NODE_AWAY_MS));
        await startAgain(node);
        return ` ${node.name}, which had ended after ${(stopped - from).toFixed(3)} s`;
      }
      case 'redis restarted with its data':
      case 'redis restarted empty':
        await redis!.stop('SIGKILL');
        if (kind === 'redis restarted empty') rmSync(this.#data, { recursive: true, force: true });
        await delay(within(REDIS_AWAY_MS));
        await redis!.start();
        return '';
      case 'redis restarted with older data': {
        // What has been written so far is a whole file; a command that is cut off at its end is dropped by Redis.
        const copy = `${this.#data}-older`;
        await this.#withoutRewrite(() => cpSync(this.#data, copy, { recursive: true }));
        const age = within(OLDER_BY_MS);
        await delay(age);
        await redis!.stop('SIGKILL');
        rmSync(this.#data, { recursive: true, force: true });
        if (existsSync(copy)) cpSync(copy, this.#data, { recursive: true });
        rmSync(copy, { recursive: true, force: true });
        await redis!.start();
        return ` by ${age} ms`;
      }
      case 'redis stalled':
        redis!.signal('SIGSTOP');
        await delay(within(STALL_MS));
        redis!.signal('SIGCONT');
        return '';
      case 'pub/sub killed':
        await redisCommand(this.#cluster.redisUrl, 'CLIENT KILL TYPE pubsub');
        return '';
      case 'nginx reloaded':
        nginx.signal('SIGHUP');
        return '';
    }
  }

  /** Redis changes which files it has only when it writes them anew. */
  async #withoutRewrite(work: () => void): Promise<void> {
    const { redisUrl } = this.#cluster;
    await redisCommand(redisUrl, 'CONFIG SET auto-aof-rewrite-percentage 0');
    while (/aof_rewrite_in_progress:1/.test(await redisCommand(redisUrl, 'INFO persistence')))
      await delay(50);
    work();
    await redisCommand(redisUrl, 'CONFIG SET auto-aof-rewrite-percentage 100');
  }

  get #data(): string {
    return join(this.#cluster.dir, 'appendonlydir');
  }
}

function partOf(kind: FaultKind): Part {
  if (kind.startsWith('node')) return 'nodes';
  return kind === 'nginx reloaded' ? 'nginx' : 'redis';
}

/** As a supervisor does it: a node that cannot start, since Redis is away, is started again. */
async function startAgain({ process }: LocalNode): Promise<void> {
  const deadline = performance.now() + RESTART_WITHIN_MS;
  for (;;) {
    try {
      return await process.start();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(500);
    }
  }
}

/** One inline command on a connection of its own. @returns the first bytes of the answer */
function redisCommand(url: string, command: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.setTimeout(15_000, () => socket.destroy(new Error(`Redis did not answer ${command}`)));
    socket.once('error', reject);
    socket.once('connect', () => socket.write(`${command}\r\n`));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
  });
}
