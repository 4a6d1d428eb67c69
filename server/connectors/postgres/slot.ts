/** The replication slot and its publication: created if they do not exist, and measured. */
import type { Postgres } from '../../postgres/connection.js';
import type { ConnectorMetrics } from '../metrics.js';

/** Creates the publication if it does not exist. @throws Error if it lacks one of the tables. */
export async function preparePublication(
  client: Postgres,
  publication: string,
  tables: readonly string[],
): Promise<void> {
  const found = await client.query('SELECT FROM pg_publication WHERE pubname = $1', [publication]);
  if (found.rowCount === 0) {
    const list = tables.map((table) => table.split('.').map(quoted).join('.')).join(', ');
    await client.query(
      `CREATE PUBLICATION ${quoted(publication)} FOR TABLE ${list} WITH (publish = 'insert, update, delete')`,
    );
    return;
  }
  const { rows } = await client.query<{ name: string }>(
    "SELECT schemaname || '.' || tablename AS name FROM pg_publication_tables WHERE pubname = $1",
    [publication],
  );
  const published = new Set(rows.map(({ name }) => name));
  const missing = tables.filter((table) => !published.has(table));
  if (missing.length > 0) {
    throw new Error(
      `the publication ${publication} lacks ${missing.join(', ')}: ALTER PUBLICATION ${publication} ADD TABLE …`,
    );
  }
}

/** Creates the slot if there never was one. @throws Error if it was created once and is gone, or was invalidated. */
export async function prepareSlot(client: Postgres, slot: string): Promise<void> {
  const { rows } = await client.query<{ status: string | null }>(
    'SELECT wal_status AS status FROM pg_replication_slots WHERE slot_name = $1',
    [slot],
  );
  const known = await client.query<{ created: Date }>(
    'SELECT created FROM hub.replication_slot WHERE name = $1',
    [slot],
  );
  const [found] = rows;
  const remedy = `DELETE FROM hub.replication_slot WHERE name = '${slot}' starts over from now`;
  if (found === undefined) {
    if (known.rowCount !== 0) {
      throw new Error(`the slot ${slot} is gone, and changes since it was last read are lost; ${remedy}`);
    }
    // Alone in its transaction: a slot cannot be created in one that has written.
    await client.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  } else if (found.status === 'lost') {
    throw new Error(
      `PostgreSQL has given up the slot ${slot} (max_slot_wal_keep_size), and changes are lost; drop it, then ${remedy}`,
    );
  }
  await client.query('INSERT INTO hub.replication_slot (name) VALUES ($1) ON CONFLICT DO NOTHING', [slot]);
}

/** Reads how much write-ahead log PostgreSQL keeps for the slot. */
export async function measureSlot(client: Postgres, slot: string, metrics: ConnectorMetrics): Promise<void> {
  const { rows } = await client.query<{ retained: string; behind: string }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text AS retained,
            pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::text AS behind
     FROM pg_replication_slots WHERE slot_name = $1`,
    [slot],
  );
  metrics.slot(Number(rows[0]?.retained ?? 0));
  metrics.backlog('bytes', Number(rows[0]?.behind ?? 0));
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
