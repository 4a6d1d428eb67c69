/** `npm run storm -- --minutes 10 --seed 1`: a fault storm, its table, and exit code 1 where anything was wrong. */
import { isMain, option } from '../../bench/lib/main.js';
import { type NodeMemory, runStorm, type StormResult } from './run-storm.js';

/** The counts of a storm, one line each. */
function stormTable(result: StormResult): string {
  const { faults, acknowledged, maybe, counts, endedAsSlow, findings, memory } = result;
  const total = [...faults.values()].reduce((sum, count) => sum + count, 0);
  const rows: [string, number | string][] = [
    ['faults injected', total],
    ...[...faults].map(([kind, count]): [string, number] => [`  ${kind}`, count]),
    ['messages published and acknowledged', acknowledged],
    ['messages published, outcome unknown', maybe],
    ['deliveries checked', counts.deliveries],
    ['connections made', counts.connections],
    ['topics recovered', counts.recoveries],
    ['not recovered, announced', [...counts.notRecovered.values()].reduce((sum, count) => sum + count, 0)],
    ...[...counts.notRecovered].map(([reason, count]): [string, number] => [`  ${reason}`, count]),
    ['gaps announced', counts.gaps],
    ['messages in gaps with a range', counts.messagesInGaps],
    ['messages conflated, announced', counts.conflated],
    ['connections slow, announced', counts.slow],
    ['connections ended as slow', endedAsSlow],
    ['unannounced losses, duplicates, disorder', findings.length],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(
    ([name, value]) => `  ${name.padEnd(width)}  ${value.toLocaleString('en').padStart(12)}`,
  );
  return [...table, '', ...memory.late.map((late) => memoryLine(late, memory.early))].join('\n');
}

function memoryLine(late: NodeMemory, all: readonly NodeMemory[]): string {
  const early = all.find(({ node }) => node === late.node);
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const change = (of: (memory: NodeMemory) => number) =>
    early === undefined ? mib(of(late)) : `${mib(of(early))} → ${mib(of(late))} MiB`;
  return `  ${late.node}: heap ${change(({ heap }) => heap)}, resident ${change(({ resident }) => resident)}, process ${Math.round(late.uptime)} s old`;
}

async function main(): Promise<void> {
  const seed = option('seed', 1);
  const seconds = option('seconds', 60 * option('minutes', 1));
  console.log(`A storm of ${seconds} s, seed ${seed}`);
  const result = await runStorm({
    seed,
    lengthMs: seconds * 1000,
    subscribers: option('subscribers', 40),
    onLine: console.log,
  });
  console.log(`\n${stormTable(result)}\n`);
  for (const finding of result.findings) console.log(`  ! ${finding}`);
  if (result.logFile !== undefined) console.log(`\n  Faults, connections and logs: ${result.logFile}`);
  process.exitCode = result.findings.length === 0 ? 0 : 1;
}

if (isMain(import.meta.url)) await main();
