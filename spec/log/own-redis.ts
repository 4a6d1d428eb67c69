/** A redis-server of a spec's own, in a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { redisServer } from '../../server/local-cluster/redis-server.js';
import { silentLogger } from '../../server/logger.js';
import { RedisLink } from '../../server/redis/redis-link.js';

export class OwnRedis {
  readonly url: string;
  readonly process: ManagedProcess;
  readonly #dir: string;
  #links: RedisLink[] = [];

  private constructor(url: string, process: ManagedProcess, dir: string) {
    this.url = url;
    this.process = process;
    this.#dir = dir;
  }

  static async start(): Promise<OwnRedis> {
    const port = await freePorts(1);
    const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-redis-'));
    const process = redisServer({ port, dir });
    try {
      await process.start();
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
    return new OwnRedis(`redis://127.0.0.1:${port}`, process, dir);
  }

  /** Another pair of connections, closed with the rest. */
  async connect(): Promise<RedisLink> {
    const link = new RedisLink({ url: this.url, logger: silentLogger });
    await link.connect();
    this.#links.push(link);
    return link;
  }

  /** Ends the connections that were made here. */
  async disconnect(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()));
    this.#links = [];
  }

  async stop(): Promise<void> {
    await this.disconnect();
    this.process.signal('SIGCONT');
    await this.process.stop('SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** Has a Redis for the specs of a suite, which is empty before each of them. @returns it, while they run */
export function emptyRedis(): () => OwnRedis {
  let redis: OwnRedis;

  before(async () => {
    redis = await OwnRedis.start();
  });

  after(async () => {
    await redis?.stop();
  });

  beforeEach(async () => {
    const link = await redis.connect();
    await link.command(['FLUSHALL']);
  });

  afterEach(async () => {
    await redis.disconnect();
  });

  return () => redis;
}

/** Calls of a command since the last `CONFIG RESETSTAT`. */
export async function callsOf(link: RedisLink, command: string): Promise<number> {
  const info = String(await link.command(['INFO', 'commandstats']));
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(info)?.[1] ?? 0);
}
