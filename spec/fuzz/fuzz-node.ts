/**
 * A node in a process of its own that tells how it fares: whether it was ever busy for long, and its heap. Busy means
 * CPU time between two turns of its event loop, so that a machine that is busy otherwise proves nothing.
 */

import { readConfig } from '../../server/config/config.js';
import { silentLogger } from '../../server/logger.js';
import { startNode } from '../../server/node/start-node.js';

/** What it answers to `report`. */
export interface NodeState {
  readonly url: string;
  /** Longest CPU time of one turn since the last report, ms. */
  readonly longestTurnMs: number;
  /** CPU time of a fixed piece of work in this process, for how fast the machine is, ms. */
  readonly referenceMs: number;
  /** After a collection. */
  readonly heapBytes: number;
  readonly connections: number;
}

const app = await startNode(readConfig(process.env), silentLogger);
let longestTurnMs = 0;
const referenceMs = reference();
let cpu = process.cpuUsage();
const look = () => {
  const { user, system } = process.cpuUsage(cpu);
  cpu = process.cpuUsage();
  longestTurnMs = Math.max(longestTurnMs, (user + system) / 1_000);
  setImmediate(() => setTimeout(look, 1));
};
look();

function report(): NodeState {
  const turn = longestTurnMs;
  globalThis.gc?.();
  globalThis.gc?.();
  // The collection itself is no turn of the hub's.
  cpu = process.cpuUsage();
  longestTurnMs = 0;
  return {
    url: app.url,
    longestTurnMs: turn,
    referenceMs,
    heapBytes: process.memoryUsage().heapUsed,
    connections: app.hub.subscribers.size,
  };
}

/** Median CPU time of reading and writing a document of 1 MiB, ms. */
function reference(): number {
  const text = JSON.stringify(Array.from({ length: 16_384 }, (_, n) => ({ n, text: 'x'.repeat(46) })));
  const costs = Array.from({ length: 9 }, () => {
    const before = process.cpuUsage();
    JSON.stringify(JSON.parse(text));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  return costs.sort((a, b) => a - b)[4]!;
}

process.on('message', () => process.send?.(report()));
process.on('disconnect', () => process.exit(0));
process.send?.(report());
