import type { ConnectorName } from '../../server/connectors/catalogue.js';

/** A port on which nobody listens: what is there is asked for, and is away. */
const NOBODY = '127.0.0.1:1';

/** The settings that load everything that is loaded only where it is asked for; none of it answers. */
export const AWAY = {
  ARCHIVE_URL: `postgres://${NOBODY}/archive`,
  DATABASE_URL: `postgres://${NOBODY}/source`,
  REPLICATION_TABLES: 'public.orders=news:orders/{account}',
  NEO4J_URL: `bolt://${NOBODY}`,
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://${NOBODY}`,
};

/** What each connector says once it lacks nothing but its source. */
export const SAYS_AWAY: Readonly<Record<ConnectorName, RegExp>> = {
  outbox: /ECONNREFUSED/,
  replication: /ECONNREFUSED/,
  archive: /ECONNREFUSED/,
  ingest: /The connector "ingest" is running/,
  neo4j: /Could not perform|Failed to connect|ServiceUnavailable/,
};
