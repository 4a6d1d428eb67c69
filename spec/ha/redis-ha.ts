/** Redis deployments that fail over, of a spec's own: real servers on loopback, each killed at the end. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram, type ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { redisServer } from '../../server/local-cluster/redis-server.js';
import { until } from '../support/wait.js';

const run = promisify(execFile);
/** The user that SECURITY.md gives to the hub. */
const USER = /^ACL SETUSER (.+)$/m
  .exec(readFileSync(new URL('../../../SECURITY.md', import.meta.url), 'utf8'))![1]!
  .replace('PASSWORD', 'secret');
/** How long a server is missed before a failover begins. */
const DOWN_AFTER_MS = 2_000;
const OPTIONS = [
  ...['--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0'],
  ...['--user', ...USER.split(' ')],
];

/** A deployment, by the address that the hub gets. */
export class RedisHa {
  readonly url: string;
  readonly #servers: ReadonlyMap<number, ManagedProcess>;
  readonly #watchers: ReadonlyMap<number, ManagedProcess>;
  readonly #dir: string;

  private constructor(
    url: string,
    servers: ReadonlyMap<number, ManagedProcess>,
    watchers: ReadonlyMap<number, ManagedProcess>,
    dir: string,
  ) {
    this.url = url;
    this.#servers = servers;
    this.#watchers = watchers;
    this.#dir = dir;
  }

  /** One master, two replicas, three Sentinels. */
  static async sentinel(): Promise<RedisHa> {
    const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-sentinel-'));
    const base = await freePorts(6);
    const servers = new Map(
      [0, 1, 2].map((i) => {
        const follows = i === 0 ? [] : ['--replicaof', '127.0.0.1', String(base)];
        return [base + i, server(dir, base + i, [...OPTIONS, ...follows])];
      }),
    );
    const ports = [3, 4, 5].map((i) => base + i);
    const watchers = new Map(
      ports.map((port) => {
        const file = join(dir, `${port}.conf`);
        writeFileSync(
          file,
          [
            `sentinel monitor hub 127.0.0.1 ${base} 2`,
            `sentinel down-after-milliseconds hub ${DOWN_AFTER_MS}`,
            'sentinel failover-timeout hub 2000',
            '',
          ].join('\n'),
        );
        // Its options follow the name of its file.
        return [port, server(dir, port, ['--sentinel'], file)];
      }),
    );
    const ha = new RedisHa(
      `redis+sentinel://axiom:secret@${ports.map((port) => `127.0.0.1:${port}`).join(',')}/hub`,
      servers,
      watchers,
      dir,
    );
    return ha.#begin(async () => {
      await until('the replicas follow', async () => (await ha.ask(base, 'WAIT', '2', '100')) === '2');
      for (const port of ports) {
        await until('the Sentinels know one another', async () =>
          /num-other-sentinels\n2\n/.test(await ha.ask(port, 'SENTINEL', 'MASTER', 'hub')),
        );
      }
      await until(
        'they know the replicas',
        async () => /num-slaves\n2\n/.test(await ha.ask(ports[0]!, 'SENTINEL', 'MASTER', 'hub')),
        { withinMs: 15_000 },
      );
    });
  }

  /** Three masters with a replica each. */
  static async cluster(): Promise<RedisHa> {
    const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-redis-cluster-'));
    const base = await freePorts(12);
    const ports = [0, 1, 2, 3, 4, 5].map((i) => base + i);
    const servers = new Map(
      ports.map((port) => [
        port,
        server(dir, port, [
          ...OPTIONS,
          ...['--cluster-enabled', 'yes', '--cluster-config-file', `${port}.nodes`],
          ...['--cluster-port', String(port + 6), '--cluster-node-timeout', String(DOWN_AFTER_MS)],
          ...['--cluster-require-full-coverage', 'no'],
        ]),
      ]),
    );
    const addresses = ports.map((port) => `127.0.0.1:${port}`);
    const ha = new RedisHa(
      `redis+cluster://axiom:secret@${addresses.slice(0, 3).join(',')}`,
      servers,
      new Map(),
      dir,
    );
    return ha.#begin(async () => {
      await run(redisCli(), [
        '--cluster',
        'create',
        ...addresses,
        '--cluster-replicas',
        '1',
        '--cluster-yes',
      ]);
      for (const port of ports) {
        await until('the cluster is whole', async () => {
          const state = await ha.ask(port, 'CLUSTER', 'INFO');
          return /cluster_state:ok/.test(state) && /cluster_known_nodes:6/.test(state);
        });
        await until('every replica follows', async () =>
          /connected_slaves:[1-9]|master_link_status:up/.test(await ha.ask(port, 'INFO', 'replication')),
        );
      }
    });
  }

  /** Resolves when every replica follows its master. */
  async whole(): Promise<void> {
    // A master that was killed comes back as one, and is told that it is no more.
    const masters = this.#watchers.size > 0 ? 1 : 3;
    await until(
      'every server is a master, or follows one',
      async () => {
        const ports = [...this.#servers.keys()];
        const roles = await Promise.all(ports.map((port) => this.ask(port, 'INFO', 'replication')));
        const count = (pattern: RegExp) => roles.filter((role) => pattern.test(role)).length;
        return count(/role:master/) === masters && count(/master_link_status:up/) === ports.length - masters;
      },
      { withinMs: 25_000 },
    );
    for (const port of this.#watchers.keys()) {
      await until(
        `the Sentinel on ${port} knows two replicas that answer`,
        async () => {
          const replicas = await this.ask(port, 'SENTINEL', 'REPLICAS', 'hub');
          return [...replicas.matchAll(/^flags\nslave$/gm)].length === 2;
        },
        { withinMs: 20_000 },
      );
    }
  }

  /** What a server answers, as `redis-cli` prints it. */
  async ask(port: number, ...args: string[]): Promise<string> {
    const { stdout } = await run(redisCli(), ['-p', String(port), ...args]);
    return stdout
      .replaceAll('\r', '')
      .trimEnd()
      .concat(args[0] === 'SENTINEL' ? '\n' : '');
  }

  /** The port of the master of a key: of the only one with Sentinels. One that stands still is not asked. */
  async masterOf(key: string, without?: number): Promise<number> {
    for (const [port, { running }] of this.#servers) {
      if (!running || port === without || !/^master/.test(await this.ask(port, 'ROLE'))) continue;
      const answer = await this.ask(port, 'EXISTS', key);
      if (!answer.startsWith('MOVED')) return port;
    }
    throw new Error(`nobody is master of ${key}`);
  }

  /** The ports of the replicas of a master that run. */
  async replicasOf(master: number): Promise<number[]> {
    const found: number[] = [];
    for (const [port, { running }] of this.#servers) {
      if (!running) continue;
      const [, at] = /master_port:(\d+)/.exec(await this.ask(port, 'INFO', 'replication')) ?? [];
      if (Number(at) === master) found.push(port);
    }
    return found;
  }

  /** Whether anybody is subscribed at a server. */
  async hasSubscribers(port: number): Promise<boolean> {
    return (await this.ask(port, 'CLIENT', 'LIST', 'TYPE', 'pubsub')) !== '';
  }

  /** Cuts the replicas of a master off, so that they keep what they have. @returns what lets them follow again */
  async holdReplicas(master: number): Promise<() => Promise<void>> {
    const held = await this.replicasOf(master);
    // The master asks for none, and so refuses this one when the replica comes back.
    for (const port of held) await this.ask(port, 'CONFIG', 'SET', 'masterauth', 'wrong');
    await this.ask(master, 'CLIENT', 'KILL', 'TYPE', 'replica');
    return async () => {
      for (const port of held) await this.ask(port, 'CONFIG', 'SET', 'masterauth', '');
    };
  }

  /** Hands a master's slots over to its replica, in agreement with it. */
  async handOver(master: number): Promise<void> {
    for (const port of await this.replicasOf(master)) {
      // It refuses while it has not caught up with its master.
      const isReady = async () => /master_link_status:up/.test(await this.ask(port, 'INFO', 'replication'));
      await until('the replica follows', isReady);
      await until('it agrees', async () => (await this.ask(port, 'CLUSTER', 'FAILOVER')) === 'OK');
      return;
    }
  }

  /** The process of a server. */
  at(port: number): ManagedProcess {
    const found = this.#servers.get(port);
    if (found === undefined) throw new Error(`there is no server on ${port}`);
    return found;
  }

  async stop(): Promise<void> {
    const all = [...this.#watchers.values(), ...this.#servers.values()];
    for (const process of all) process.signal('SIGCONT');
    await Promise.all(all.map((process) => process.stop('SIGKILL')));
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #begin(settle: () => Promise<void>): Promise<RedisHa> {
    try {
      await Promise.all([...this.#servers.values()].map((process) => process.start()));
      await Promise.all([...this.#watchers.values()].map((process) => process.start()));
      await settle();
      return this;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }
}

function server(dir: string, port: number, args: readonly string[], file?: string): ManagedProcess {
  return redisServer({ name: `redis ${port}`, port, dir, args, ...(file === undefined ? {} : { file }) });
}

function redisCli(): string {
  return findProgram('redis-cli', 'redis-tools');
}
