/** Migrates the connectors' schema in PostgreSQL. */
import { readdirSync, readFileSync } from 'node:fs';
import { inTransaction, type Postgres } from './connection.js';

/** An arbitrary number: the advisory lock that is held during a migration. */
const MIGRATION_LOCK = 7_206_125;

/**
 * Brings the schema up to date: runs the SQL files of a folder in the order of their names, each once, in a
 * transaction. If nothing is missing it only reads, so that a role without the right to create tables can run a
 * connector.
 */
export async function migrate(client: Postgres, folder: URL): Promise<string[]> {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  if ((await missing(client, files)).length === 0) return [];
  return inTransaction(client, async () => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await client.query('CREATE SCHEMA IF NOT EXISTS hub');
    await client.query(
      'CREATE TABLE IF NOT EXISTS hub.migration (name text PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())',
    );
    const applied = await missing(client, files);
    for (const file of applied) {
      await client.query(readFileSync(new URL(file, folder), 'utf8'));
      await client.query('INSERT INTO hub.migration (name) VALUES ($1)', [file]);
    }
    return applied;
  });
}

async function missing(client: Postgres, files: readonly string[]): Promise<string[]> {
  const table = await client.query<{ there: boolean }>(
    "SELECT to_regclass('hub.migration') IS NOT NULL AS there",
  );
  if (table.rows[0]?.there !== true) return [...files];
  const { rows } = await client.query<{ name: string }>('SELECT name FROM hub.migration');
  const applied = new Set(rows.map(({ name }) => name));
  return files.filter((file) => !applied.has(file));
}
