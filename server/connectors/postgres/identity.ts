import type { Postgres } from '../../postgres/connection.js';

/**
 * Identifies one history of a database. Positions are numbers of the database, and a database that was restored to an
 * earlier moment, or a replica that was promoted, assigns the same numbers again to other rows, which the log would
 * take for repeats. Both begin a new timeline, so the timeline is part of the name.
 */
export async function sourceIdentity(client: Postgres): Promise<string> {
  const { rows } = await client.query<{ identity: string }>(
    `SELECT s.system_identifier || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.' || d.oid AS identity
     FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()`,
  );
  return rows[0]!.identity;
}
