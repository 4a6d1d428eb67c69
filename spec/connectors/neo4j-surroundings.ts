import { ConnectorMetrics } from '../../server/connectors/metrics.js';
import type { Graph } from '../../server/connectors/neo4j/driver.js';
import { MemoryStreamLog } from '../../server/log/memory-stream-log.js';
import type { StreamLog } from '../../server/log/stream-log.js';
import { type Logger, silentLogger } from '../../server/logger.js';
import { until } from '../support/wait.js';

const RETENTION = { maxMessages: 1_000, maxAgeMs: 3_600_000, maxBytes: 268_435_456, maxKeys: 100 };

/** What both connectors are given, and what came of it. */
export interface Surroundings {
  readonly options: {
    readonly graph: Graph;
    readonly log: StreamLog;
    readonly streams: ReadonlySet<string>;
    readonly maxMessageBytes: number;
    readonly logger: Logger;
    readonly metrics: ConnectorMetrics;
    readonly signal: AbortSignal;
    readonly pollMs: number;
    readonly batch: number;
  };
  /** Key and data of every message of the stream. */
  messages(): Promise<[key: string, data: unknown][]>;
  /** Ends the connector that was given the options. */
  stop(): void;
}

export function surroundings(graph: Graph): Surroundings {
  const log = new MemoryStreamLog({ streams: new Map([['graph', RETENTION]]) });
  const stopping = new AbortController();
  const metrics = new ConnectorMetrics('spec');
  return {
    options: {
      graph,
      log,
      streams: new Set(['graph']),
      maxMessageBytes: 65_536,
      logger: silentLogger,
      metrics,
      signal: stopping.signal,
      pollMs: 1,
      batch: 3,
    },
    messages: async () =>
      (await log.range('graph', 1, 1_000, 1_000)).map(({ key, data }) => [key, JSON.parse(data) as unknown]),
    stop: () => stopping.abort(new Error('stopped')),
  };
}

/** Runs a connector until `done`, and stops it. */
export async function whileRunning(
  carry: Promise<void>,
  stop: () => void,
  what: string,
  done: () => Promise<boolean>,
): Promise<void> {
  const ended = carry.catch((error: Error) => {
    if (error.message !== 'stopped') throw error;
  });
  await Promise.race([
    until(what, done),
    ended.then(() => {
      throw new Error('the connector has ended');
    }),
  ]);
  stop();
  await ended;
}
