/**
 * The variables of the connectors, in addition to the hub's own. The table in docs/integrations/README.md lists them.
 */
import { z } from 'zod';
import { type Config, ConfigError, readConfig } from '../config/config.js';
import {
  type Environment,
  readVariables,
  secret,
  type ValuesOf,
  type Variable,
  variable,
  whole,
} from '../config/variables.js';
import { parseElementMappings } from './neo4j/element-mapping.js';
import { parseTableMappings } from './postgres/table-mapping.js';

const HOUR_MS = 3_600_000;

const redisKey = z.string().regex(/^\S{1,128}$/, 'may have 128 characters, none of them whitespace');
const name = z.string().regex(/^[a-z0-9_]{1,63}$/, 'may have 63 of a-z 0-9 _');

/** A text that is parsed by `parse`, which throws an Error that says what is wrong. */
function parsedBy<T>(parse: (text: string) => T) {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  });
}

/** Every variable of the connectors. */
export const CONNECTOR_VARIABLES = {
  DATABASE_URL: secret(
    '',
    'PostgreSQL, `postgres://…`, for the outbox, the replication and the archive.',
    z.string().regex(/^$|^postgres(ql)?:\/\/.+/, 'must begin with postgres://'),
  ),
  CONNECTOR_PORT: variable(
    '0',
    'Port of `/metrics` and `/health` of the connector, on `HOST`; 0: none.',
    whole(0, 65_535),
  ),
  OUTBOX_POLL_MS: variable(
    '1000',
    'Longest time that a row of the outbox waits if its notification was lost.',
    whole(10, 600_000),
  ),
  OUTBOX_BATCH: variable('500', 'Most rows of the outbox in one batch.', whole(1, 10_000)),
  OUTBOX_KEEP_MS: variable(
    String(HOUR_MS),
    'Time after which published rows are deleted; an id is unique for this time.',
    whole(0, 30 * 24 * HOUR_MS),
  ),
  REPLICATION_TABLES: variable(
    '',
    'Tables and their topics, comma-separated: `public.orders=signals:orders/{account}`.',
    parsedBy(parseTableMappings),
  ),
  REPLICATION_SLOT: variable(
    'axiom',
    'Name of the replication slot; it is created if it does not exist.',
    name,
  ),
  REPLICATION_PUBLICATION: variable(
    'axiom',
    'Name of the publication; it is created if it does not exist.',
    name,
  ),
  ARCHIVE_DAYS: variable('30', 'Days that the archive keeps, in addition to today.', whole(1, 36_500)),
  ARCHIVE_POLL_MS: variable(
    '200',
    'Time between two reads of the log when there is nothing new to archive.',
    whole(10, 60_000),
  ),
  INGEST_KEY: variable('hub:ingest', 'Key of the Redis Stream whose entries are published.', redisKey),
  INGEST_GROUP: variable('hub', 'Name of its consumer group; it is created if it does not exist.', redisKey),
  NEO4J_URL: secret(
    '',
    'Neo4j, `neo4j://…` or `bolt://…`; `neo4j+s://…` with TLS.',
    z
      .string()
      .regex(/^$|^(neo4j|bolt)(\+s|\+ssc)?:\/\/.+/, 'must begin with neo4j:// or bolt://, or +s with TLS'),
  ),
  NEO4J_USER: variable('neo4j', 'User of Neo4j.', z.string()),
  NEO4J_PASSWORD: secret('', 'Its password; empty if Neo4j requires none.', z.string()),
  NEO4J_DATABASE: variable('', "Database of Neo4j; empty: the user's home database.", z.string()),
  NEO4J_ELEMENTS: variable(
    '',
    'What is captured in Neo4j Enterprise, comma-separated: `(:Person)=graph:person/{id}`; empty: change nodes.',
    parsedBy(parseElementMappings),
  ),
  NEO4J_POLL_MS: variable(
    '200',
    'Time between two reads of the graph when there is nothing new.',
    whole(10, 60_000),
  ),
  NEO4J_BATCH: variable('500', 'Most changes of the graph in one batch.', whole(1, 10_000)),
} as const satisfies Record<string, Variable>;

type Values = ValuesOf<typeof CONNECTOR_VARIABLES>;

/** The configuration of the hub, and that of the connectors in further groups. */
export interface ConnectorConfig extends Config {
  /** PostgreSQL of the outbox, the replication and the archive. Empty: none. */
  readonly database: { readonly url: string };
  /** Where the connector serves its metrics and health; port 0: nowhere. */
  readonly status: { readonly host: string; readonly port: number };
  readonly outbox: { readonly pollMs: number; readonly batch: number; readonly keepMs: number };
  readonly replication: {
    readonly tables: Values['REPLICATION_TABLES'];
    readonly slot: string;
    readonly publication: string;
  };
  readonly archiving: { readonly pollMs: number; readonly days: number };
  readonly ingest: { readonly key: string; readonly group: string };
  readonly neo4j: {
    /** Empty: none. */
    readonly url: string;
    readonly user: string;
    readonly password: string;
    readonly database: string;
    readonly elements: Values['NEO4J_ELEMENTS'];
    readonly pollMs: number;
    readonly batch: number;
  };
}

/** Reads the variables of the hub and of the connectors. @throws ConfigError with every mistake. */
export function readConnectorConfig(environment: Environment): ConnectorConfig {
  const mistakes: string[] = [];
  const values = readVariables(CONNECTOR_VARIABLES, environment, mistakes);
  try {
    const config = readConfig(environment);
    if (config.redis.url === '')
      mistakes.push('REDIS_URL: is missing; a connector writes to the log in Redis');
    if (mistakes.length === 0) return { ...config, ...inGroups(values, config) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    mistakes.push(...error.mistakes);
  }
  throw new ConfigError(mistakes);
}

function inGroups(values: Values, { http }: Config): Omit<ConnectorConfig, keyof Config> {
  return {
    database: { url: values.DATABASE_URL },
    status: { host: http.host, port: values.CONNECTOR_PORT },
    outbox: { pollMs: values.OUTBOX_POLL_MS, batch: values.OUTBOX_BATCH, keepMs: values.OUTBOX_KEEP_MS },
    replication: {
      tables: values.REPLICATION_TABLES,
      slot: values.REPLICATION_SLOT,
      publication: values.REPLICATION_PUBLICATION,
    },
    archiving: { pollMs: values.ARCHIVE_POLL_MS, days: values.ARCHIVE_DAYS },
    ingest: { key: values.INGEST_KEY, group: values.INGEST_GROUP },
    neo4j: {
      url: values.NEO4J_URL,
      user: values.NEO4J_USER,
      password: values.NEO4J_PASSWORD,
      database: values.NEO4J_DATABASE,
      elements: values.NEO4J_ELEMENTS,
      pollMs: values.NEO4J_POLL_MS,
      batch: values.NEO4J_BATCH,
    },
  };
}
