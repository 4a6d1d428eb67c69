/** The connectors, and how each is made from the configuration. */
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
  /** What the configuration lacks for this connector, one line each. */
  mistakes(config: ConnectorConfig): string[];
  /** Runs until the signal aborts. @throws Error if a driver that it needs is not installed */
  run(config: ConnectorConfig, parts: Parts): Promise<void>;
}

interface Definition<Module> extends Pick<Connector, 'mistakes'> {
  /** The optional packages that its module imports. */
  readonly packages: readonly string[];
  readonly load: () => Promise<Module>;
  readonly run: (module: Module, config: ConnectorConfig, parts: Parts) => Promise<void>;
}

/**
 * A connector whose module is loaded when it runs, because the drivers of the other connectors may not be installed.
 */
function connector<Module>(name: string, { mistakes, packages, load, run }: Definition<Module>): Connector {
  return {
    mistakes,
    run: async (config, parts) =>
      run(await loadOptional(`The connector "${name}"`, packages, load), config, parts),
  };
}

function databaseMissing({ database }: ConnectorConfig): string[] {
  return database.url === '' ? ['DATABASE_URL: is missing'] : [];
}

/** The parts of every connector that writes into the log. */
function writing(config: ConnectorConfig, parts: Parts) {
  return {
    ...parts,
    url: config.database.url,
    streams: new Set(config.streams.map(({ name }) => name)),
    maxMessageBytes: config.publishing.maxMessageBytes,
  };
}

export const CONNECTORS = {
  outbox: connector('outbox', {
    mistakes: databaseMissing,
    packages: ['pg'],
    load: () => import('./postgres/outbox.js'),
    run: ({ runOutbox }, config, parts) => runOutbox({ ...writing(config, parts), ...config.outbox }),
  }),
  replication: connector('replication', {
    mistakes: (config) => [
      ...databaseMissing(config),
      ...(config.replication.tables.length === 0 ? ['REPLICATION_TABLES: is missing'] : []),
    ],
    packages: ['pg', 'pg-logical-replication'],
    load: () => import('./postgres/replication.js'),
    run: ({ runReplication }, config, parts) =>
      runReplication({ ...writing(config, parts), ...config.replication }),
  }),
  archive: connector('archive', {
    mistakes: (config) => [
      ...databaseMissing(config),
      ...(config.streams.some(({ archive }) => archive)
        ? []
        : ['STREAMS_FILE: marks no stream "archive": true']),
    ],
    packages: ['pg', 'pg-copy-streams'],
    load: () => import('./postgres/archive.js'),
    run: ({ runArchive }, config, parts) =>
      runArchive({
        ...parts,
        ...config.archiving,
        url: config.database.url,
        streams: config.streams.filter(({ archive }) => archive).map(({ name }) => name),
      }),
  }),
  ingest: connector('ingest', {
    mistakes: () => [],
    packages: [],
    load: () => import('./redis/ingest.js'),
    run: ({ runIngest }, config, parts) => runIngest({ ...writing(config, parts), ...config.ingest }),
  }),
  neo4j: connector('neo4j', {
    mistakes: ({ neo4j }) => (neo4j.url === '' ? ['NEO4J_URL: is missing'] : []),
    packages: ['neo4j-driver'],
    load: () => import('./neo4j/neo4j.js'),
    run: ({ runNeo4j }, config, parts) => runNeo4j({ ...writing(config, parts), ...config.neo4j }),
  }),
} as const satisfies Record<string, Connector>;

export type ConnectorName = keyof typeof CONNECTORS;

export function isConnector(name: string): name is ConnectorName {
  return Object.hasOwn(CONNECTORS, name);
}
