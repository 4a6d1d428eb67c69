/**
 * `npm run wild [-- NAME …] [-- --write]`: clients from outside, each with its node killed, through NGINX and the other
 * proxies. Prints the table; `--write` puts it into docs/CLIENTS.md too. A name is a part of a client's, language's or
 * proxy's. Exit code 1 where something failed that is not known to fail.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMain } from '../../bench/lib/main.js';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { startTestCluster } from '../support/cluster.js';
import { CATALOGUE, entriesOf, type WildEntry } from './catalogue.js';
import { KNOWN_FAILURES } from './known-failures.js';
import { PROXIED, PROXIES, startProxy } from './proxies.js';
import { complaint, notes, type Row, table, withTable } from './table.js';
import { Missing } from './toolchains.js';
import { runTrial } from './trial.js';

const PAGE = fileURLToPath(new URL('../../../docs/CLIENTS.md', import.meta.url));
const onLine = (line: string) => console.log(`  ${line}`);

async function throughNginx(cluster: LocalCluster, wants: (text: string) => boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const language of new Set(CATALOGUE.map((entry) => entry.language))) {
    const entries = entriesOf(language).filter(({ name }) => wants(`${language} ${name}`));
    if (entries.length === 0) continue;
    const results = await runTrial(cluster, entries, { onLine });
    rows.push(...results.map((result) => ({ through: 'NGINX', result })));
  }
  return rows;
}

async function throughProxies(cluster: LocalCluster, wants: (text: string) => boolean): Promise<Row[]> {
  const rows: Row[] = [];
  const clients: readonly WildEntry[] = CATALOGUE.filter(({ name }) => PROXIED.includes(name));
  for (const through of Object.keys(PROXIES).filter(wants)) {
    onLine(`${through} …`);
    try {
      const proxy = await startProxy(through, cluster);
      const results = await runTrial(cluster, clients, { url: proxy.url, onLine });
      await proxy.stop();
      rows.push(...results.map((result) => ({ through, result })));
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      rows.push(...clients.map((entry) => ({ through, result: { entry, skipped: error.message } })));
    }
  }
  return rows;
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const names = args.filter((arg) => !arg.startsWith('--')).map((name) => name.toLowerCase());
  const wants = (text: string) =>
    names.length === 0 || names.some((part) => text.toLowerCase().includes(part));
  const cluster = await startTestCluster();
  let rows: Row[] = [];
  try {
    rows = [...(await throughNginx(cluster, wants)), ...(await throughProxies(cluster, wants))];
  } finally {
    await cluster.stop();
  }
  console.log(`\n${table(rows)}\n\n${notes(rows)}\n`);
  if (args.includes('--write')) {
    writeFileSync(PAGE, withTable(readFileSync(PAGE, 'utf8'), rows));
  }
  let failed = 0;
  for (const { through, result } of rows) {
    const what = complaint(result);
    if (what === undefined) continue;
    const known = KNOWN_FAILURES[result.entry.name];
    console.log(
      `${known === undefined ? '!' : ' '} through ${through}, ${what}${known === undefined ? '' : ` (known: ${known})`}`,
    );
    if (known !== undefined || result.skipped !== undefined) continue;
    failed += 1;
    for (const event of result.events ?? []) console.log(`      ${event}`);
  }
  return failed === 0 ? 0 : 1;
}

if (isMain(import.meta.url)) process.exitCode = await main();
