/** Which connectors there are, and how each is made from the configuration. */
import type { StreamLog } from '../log/stream-log.js';
import { loadOptional } from '../optional-packages.js';
import type { RedisLink } from '../redis/redis-link.js';
import type { ConnectorConfig } from './config.js';
import type { Surroundings } from './keep-running.js';

export interface Parts extends Surroundings {
  readonly log: StreamLog;
  readonly link: RedisLink;
}

interface Connector {
  /** What this connector misses in the configuration, one line each. */
  mistakes(config: ConnectorConfig): string[];
  /** Works until the signal aborts. @throws Error where a driver that it needs is not installed */
  run(config: ConnectorConfig, parts: Parts): Promise<void>;
}

function databaseMissing({ database }: ConnectorConfig): string[] {
  return database.url === '' ? ['DATABASE_URL: is missing'] : [];
}

/** What every connector that writes into the log is made of. */
function writing(config: ConnectorConfig, parts: Parts) {
  return {
    ...parts,
    url: config.database.url,
    streams: new Set(config.streams.map(({ name }) => name)),
    maxMessageBytes: config.publishing.maxMessageBytes,
  };
}

export const CONNECTORS = {
  outbox: {
    mistakes: databaseMissing,
    run: async (config, parts) => {
      const { runOutbox } = await loadOptional(
        'The connector "outbox"',
        ['pg'],
        () => import('./postgres/outbox.js'),
      );
      await runOutbox({ ...writing(config, parts), ...config.outbox });
    },
  },
  replication: {
    mistakes: (config) => [
      ...databaseMissing(config),
      ...(config.replication.tables.length === 0 ? ['REPLICATION_TABLES: is missing'] : []),
    ],
    run: async (config, parts) => {
      const { runReplication } = await loadOptional(
        'The connector "replication"',
        ['pg', 'pg-logical-replication'],
        () => import('./postgres/replication.js'),
      );
      await runReplication({ ...writing(config, parts), ...config.replication });
    },
  },
  archive: {
    mistakes: (config) => [
      ...databaseMissing(config),
      ...(config.streams.some(({ archive }) => archive)
        ? []
        : ['STREAMS_FILE: marks no stream "archive": true']),
    ],
    run: async (config, parts) => {
      const { runArchive } = await loadOptional(
        'The connector "archive"',
        ['pg', 'pg-copy-streams'],
        () => import('./postgres/archive.js'),
      );
      await runArchive({
        ...parts,
        ...config.archiving,
        url: config.database.url,
        streams: config.streams.filter(({ archive }) => archive).map(({ name }) => name),
      });
    },
  },
  ingest: {
    mistakes: () => [],
    run: async (config, parts) => {
      const { runIngest } = await import('./redis/ingest.js');
      await runIngest({ ...writing(config, parts), ...config.ingest });
    },
  },
  neo4j: {
    mistakes: ({ neo4j }) => (neo4j.url === '' ? ['NEO4J_URL: is missing'] : []),
    run: async (config, parts) => {
      const { runNeo4j } = await loadOptional(
        'The connector "neo4j"',
        ['neo4j-driver'],
        () => import('./neo4j/neo4j.js'),
      );
      await runNeo4j({ ...writing(config, parts), ...config.neo4j });
    },
  },
} as const satisfies Record<string, Connector>;

export type ConnectorName = keyof typeof CONNECTORS;

export function isConnector(name: string): name is ConnectorName {
  return Object.hasOwn(CONNECTORS, name);
}
