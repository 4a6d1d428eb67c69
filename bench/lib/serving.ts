/** Servers for one measurement, with their own Redis; afterwards nothing of them is left. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { redisServer } from '../../server/local-cluster/redis-server.js';
import type { Peer } from '../peers/peers.js';
import { cpuSeconds, cpuSecondsOfTree, residentBytes } from './cpu.js';

/** The running servers of a measurement. */
export interface Serving {
  /** One for each server. */
  readonly ports: readonly number[];
  readonly redisPort: number;
  readonly redisUrl: string;
  readonly pids: { readonly servers: readonly number[]; readonly redis: number };
  /** CPU seconds of all servers so far, NGINX with its workers. */
  serverCpuSeconds(): number;
  redisCpuSeconds(): number;
  /** Resident bytes of the first server, after a few garbage collections. */
  restingBytes(): Promise<number>;
}

/**
 * Starts Redis and the servers of a peer, and stops them when the work is done or has failed.
 *
 * @param servers processes of the peer on the same Redis; default 1
 * @throws MissingProgram if the peer is not installed
 */
export async function serving<T>(
  peer: Peer,
  work: (serving: Serving) => Promise<T>,
  servers = 1,
): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'axiom-bench-'));
  const redisPort = await freePorts(3 + servers);
  // Two ports are left free, because a server may need the one below its own.
  const ports = Array.from({ length: servers }, (_, i) => redisPort + 3 + i);
  const redis = redisServer({ port: redisPort, dir });
  const redisUrl = `redis://127.0.0.1:${redisPort}`;
  const started: ManagedProcess[] = [];
  // Ended from outside, this process takes along what it has started: managed processes go when it exits.
  const exit = () => process.exit(143);
  process.once('SIGTERM', exit);
  try {
    await redis.start();
    for (const port of ports) {
      const server = peer.process({ port, redisUrl, dir });
      await server.start();
      started.push(server);
    }
    return await work({
      ports,
      redisPort,
      redisUrl,
      pids: { servers: started.map(({ pid }) => pid!), redis: redis.pid! },
      serverCpuSeconds: () => started.reduce((sum, { pid }) => sum + cpuSecondsOfTree(pid!), 0),
      redisCpuSeconds: () => cpuSeconds(redis.pid!),
      restingBytes: () => restingBytes(started[0]!.pid!),
    });
  } finally {
    process.off('SIGTERM', exit);
    for (const server of started) await server.end();
    await redis.stop('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

async function restingBytes(pid: number): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await delay(400);
    process.kill(pid, 'SIGUSR2');
  }
  await delay(400);
  return residentBytes(pid);
}
