/**
 * `npm run wild [-- NAME …] [-- --write]`: clients from outside, each with its node killed; prints the table, and writes it
 * into docs/CLIENTS.md with `--write`. A name is a part of a client's or a language's.
 */
import { isMain } from '../../bench/lib/main.js';
import { startTestCluster } from '../support/cluster.js';
import { CATALOGUE, type Language } from './catalogue.js';
import { complaint, type Row, table } from './table.js';
import { runTrial } from './trial.js';

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const names = args.filter((arg) => !arg.startsWith('--')).map((name) => name.toLowerCase());
  const wanted = CATALOGUE.filter(
    ({ name, language }) =>
      names.length === 0 || names.some((part) => `${language} ${name}`.toLowerCase().includes(part)),
  );
  const rows: Row[] = [];
  const cluster = await startTestCluster();
  try {
    for (const language of new Set<Language>(wanted.map((entry) => entry.language))) {
      const entries = wanted.filter((entry) => entry.language === language);
      const results = await runTrial(cluster, entries, { onLine: (line) => console.log(`  ${line}`) });
      rows.push(...results.map((result) => ({ through: 'NGINX', result })));
    }
  } finally {
    await cluster.stop();
  }
  console.log(`\n${table(rows)}\n`);
  for (const { result } of rows) {
    const what = complaint(result);
    if (what === undefined) continue;
    console.log(`! ${what}`);
    for (const event of result.events ?? []) console.log(`      ${event}`);
  }
}

if (isMain(import.meta.url)) await main();
