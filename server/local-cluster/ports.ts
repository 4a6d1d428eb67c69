import { createServer } from 'node:net';

/** Below the range from which the kernel takes the ports of outgoing connections. */
const LOWEST = 20_000;
const HIGHEST = 32_000;

/** `count` consecutive ports that are free now, somewhere at random so that parallel runs do not meet. */
export async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const base = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST - count));
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(base + i)));
    if (free.every(Boolean)) return base;
  }
  throw new Error(`there are no ${count} consecutive free ports between ${LOWEST} and ${HIGHEST}`);
}

/** Whether nothing on this machine listens on the port. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
