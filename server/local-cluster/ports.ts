import { createServer, type Server } from 'node:net';

/** The search stays below the range from which the kernel takes the ports of outgoing connections. */
const LOWEST = 20_000;
const HIGHEST = 32_000;
/** Number of ports in a block; the first one serves as its lock. */
const BLOCK = 100;

interface Block {
  readonly base: number;
  /** How many of its ports have been handed out. */
  used: number;
  /** Listens on the first port until the process ends. */
  readonly lock: Server;
}

let block: Promise<Block> | undefined;

/**
 * The first of `count` consecutive ports that are free now. Each process hands out ports from a block that it has
 * locked, so processes that start servers at the same time never collide.
 *
 * @throws Error if there are none
 */
export async function freePorts(count: number): Promise<number> {
  if (count >= BLOCK) throw new Error(`there are no ${count} ports at a time, but ${BLOCK - 1} at most`);
  block ??= lockBlock();
  const own = await block;
  for (let attempt = 0; attempt < BLOCK; attempt++) {
    // Reuse ports only when the block is used up, so that a late client of a stopped server finds nobody on its port.
    if (own.used + count > BLOCK - 1) own.used = 0;
    const first = own.base + 1 + own.used;
    own.used += count;
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
  throw new Error(`there are no ${count} consecutive free ports between ${own.base} and ${own.base + BLOCK}`);
}

async function lockBlock(): Promise<Block> {
  const count = (HIGHEST - LOWEST) / BLOCK;
  const start = Math.floor(Math.random() * count);
  for (let i = 0; i < count; i++) {
    const base = LOWEST + ((start + i) % count) * BLOCK;
    const lock = await listening(base);
    if (lock !== undefined) return { base, used: 0, lock: lock.unref() };
  }
  throw new Error(`all ports between ${LOWEST} and ${HIGHEST} are taken`);
}

/** Whether nothing on this machine listens on the port. */
export async function isFree(port: number): Promise<boolean> {
  const server = await listening(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** A server that listens on all addresses, or undefined if the port is taken. */
function listening(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, () => resolve(server));
  });
}
