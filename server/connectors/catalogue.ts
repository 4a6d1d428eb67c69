/** Which connectors there are, and how each is made from the configuration. */
import type { StreamLog } from '../log/stream-log.js';
import type { RedisLink } from '../redis/redis-link.js';
import type { ConnectorConfig } from './config.js';
import type { Surroundings } from './keep-running.js';
import { runNeo4j } from './neo4j/neo4j.js';
import { runArchive } from './postgres/archive.js';
import { runOutbox } from './postgres/outbox.js';
import { runReplication } from './postgres/replication.js';
import { runIngest } from './redis/ingest.js';

export interface Parts extends Surroundings {
  readonly log: StreamLog;
  readonly link: RedisLink;
}

interface Connector {
  /** What this connector misses in the configuration, one line each. */
  mistakes(config: ConnectorConfig): string[];
  /** Works until the signal aborts. */
  run(config: ConnectorConfig, parts: Parts): Promise<void>;
}

function databaseMissing({ DATABASE_URL }: ConnectorConfig): string[] {
  return DATABASE_URL === '' ? ['DATABASE_URL: is missing'] : [];
}

/** What every connector that writes into the log is made of. */
function writing(config: ConnectorConfig, parts: Parts) {
  return {
    ...parts,
    url: config.DATABASE_URL,
    streams: new Set(config.streams.map(({ name }) => name)),
    maxMessageBytes: config.MAX_MESSAGE_BYTES,
  };
}

export const CONNECTORS = {
  outbox: {
    mistakes: databaseMissing,
    run: (config, parts) =>
      runOutbox({
        ...writing(config, parts),
        pollMs: config.OUTBOX_POLL_MS,
        batch: config.OUTBOX_BATCH,
        keepMs: config.OUTBOX_KEEP_MS,
      }),
  },
  replication: {
    mistakes: (config) => [
      ...databaseMissing(config),
      ...(config.REPLICATION_TABLES.length === 0 ? ['REPLICATION_TABLES: is missing'] : []),
    ],
    run: (config, parts) =>
      runReplication({
        ...writing(config, parts),
        tables: config.REPLICATION_TABLES,
        slot: config.REPLICATION_SLOT,
        publication: config.REPLICATION_PUBLICATION,
      }),
  },
  archive: {
    mistakes: (config) => [
      ...databaseMissing(config),
      ...(config.streams.some(({ archive }) => archive)
        ? []
        : ['STREAMS_FILE: marks no stream "archive": true']),
    ],
    run: (config, parts) =>
      runArchive({
        ...parts,
        url: config.DATABASE_URL,
        streams: config.streams.filter(({ archive }) => archive).map(({ name }) => name),
        pollMs: config.ARCHIVE_POLL_MS,
        days: config.ARCHIVE_DAYS,
      }),
  },
  ingest: {
    mistakes: () => [],
    run: (config, parts) =>
      runIngest({ ...writing(config, parts), key: config.INGEST_KEY, group: config.INGEST_GROUP }),
  },
  neo4j: {
    mistakes: ({ NEO4J_URL }) => (NEO4J_URL === '' ? ['NEO4J_URL: is missing'] : []),
    run: (config, parts) =>
      runNeo4j({
        ...writing(config, parts),
        url: config.NEO4J_URL,
        user: config.NEO4J_USER,
        password: config.NEO4J_PASSWORD,
        database: config.NEO4J_DATABASE,
        elements: config.NEO4J_ELEMENTS,
        pollMs: config.NEO4J_POLL_MS,
        batch: config.NEO4J_BATCH,
      }),
  },
} as const satisfies Record<string, Connector>;

export type ConnectorName = keyof typeof CONNECTORS;

export function isConnector(name: string): name is ConnectorName {
  return Object.hasOwn(CONNECTORS, name);
}
