import type { Postgres } from '../../postgres/connection.js';

/**
 * Tells one history of a database from another. Positions are numbers of the database, and a database that was restored
 * to an earlier moment, or a replica that was promoted, gives the same numbers out again for other rows: the log would
 * take these for repeats. Each begins a new timeline, so the timeline is part of the name.
 */
export async function sourceIdentity(client: Postgres): Promise<string> {
  const { rows } = await client.query<{ identity: string }>(
    `SELECT s.system_identifier || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.' || d.oid AS identity
     FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()`,
  );
  return rows[0]!.identity;
}
