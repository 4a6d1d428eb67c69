/** Writes `bench/results/README.md` and its charts from the results that are there. */
import { writeFileSync } from 'node:fs';
import type { FanoutCase } from './fanout.js';
import type { LatencyRow } from './latency.js';
import { barChart } from './lib/bar-chart.js';
import { isMain } from './lib/main.js';
import { type Circumstances, loadResult, RESULTS } from './lib/results.js';
import type { MemoryRow } from './memory.js';
import type { PublishRow } from './publish.js';

const number = (value: number, digits = 0) =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}

function under({ at, cpu, cores, memoryGiB, node, commit, versions }: Circumstances): string {
  const programs = Object.entries(versions)
    .filter(([, version]) => version !== '')
    .map(([name, version]) => `${name} ${version}`);
  return `${at} UTC, commit ${commit}, ${cores} cores (${cpu}), ${memoryGiB} GiB, Node.js ${node}; ${programs.join(', ')}.`;
}

function fanoutSection(): string {
  const saved = loadResult<FanoutCase[]>('fanout');
  if (saved === undefined) return '';
  const sections = saved.result.map(({ name, rows }, i) => {
    const own = rows[0]!;
    writeFileSync(
      `${RESULTS}fanout-${i + 1}.svg`,
      barChart(
        `Deliveries per CPU-second: ${name}`,
        rows.map(({ peer, perCpuSecond }) => ({
          label: peer,
          value: perCpuSecond,
          text: `${number(perCpuSecond / 1e6, 2)} M`,
        })),
      ),
    );
    const lines = rows.map(({ peer, perCpuSecond, share, p50Ms, p99Ms, bytesPerMessage, rounds }) => [
      peer,
      number(perCpuSecond),
      `${number(own.perCpuSecond / perCpuSecond, 2)} ×`,
      number(share, 2),
      number(p50Ms, 1),
      number(p99Ms, 1),
      number(bytesPerMessage),
      `${number(Math.min(...rounds))} – ${number(Math.max(...rounds))}`,
    ]);
    const head = [
      '',
      'per CPU-second',
      'hub is',
      'share',
      'p50 ms',
      'p99 ms',
      'bytes each',
      `range of ${own.rounds.length}`,
    ];
    return `### ${name}\n\n![Deliveries per CPU-second](fanout-${i + 1}.svg)\n\n${table(head, lines)}\n`;
  });
  return `## Fan-out\n\n\`npm run bench:fanout\`. Medians; CPU of the serving process; \`share\` is what was delivered of what was published in the
time, and below 1 a server falls behind. What is not measured stands at the top of \`bench/fanout.ts\`.

${under(saved.circumstances)}\n\n${sections.join('\n')}`;
}

function latencySection(): string {
  const saved = loadResult<LatencyRow[]>('latency');
  if (saved === undefined) return '';
  const lines = saved.result.map(({ load, peer, perSecond, p50Ms, p99Ms, p999Ms, share }) => [
    load,
    peer,
    number(perSecond),
    number(p50Ms, 1),
    number(p99Ms, 1),
    number(p999Ms, 1),
    number(share, 2),
  ]);
  return `## Latency\n\n\`npm run bench:latency\`. 1,000 subscribers of one topic, publish → receive, through Redis.

${under(saved.circumstances)}\n\n${table(['load', '', 'msg/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'share'], lines)}\n`;
}

function publishSection(): string {
  const saved = loadResult<PublishRow[]>('publish');
  if (saved === undefined) return '';
  const lines = saved.result.map(({ way, perSecond, perCpuSecond, redisMicroseconds }) => [
    way,
    number(perSecond),
    number(perCpuSecond),
    number(redisMicroseconds, 1),
  ]);
  return `## Publishing\n\n\`npm run bench:publish\`. Through one node into Redis.

${under(saved.circumstances)}\n\n${table(['', 'messages/s', 'per CPU-second of the node', 'µs of Redis each'], lines)}\n`;
}

function memorySection(): string {
  const saved = loadResult<MemoryRow[]>('memory');
  if (saved === undefined) return '';
  const lines = saved.result.map(({ peer, kilobytes }) => [peer, number(kilobytes, 1)]);
  return `## Memory\n\n\`npm run bench:memory\`. Resident memory per idle connection that reads one topic, 5,000 of them, after garbage collection.

${under(saved.circumstances)}\n\n${table(['', 'KB per connection'], lines)}\n`;
}

export function writeReport(): void {
  const sections = [fanoutSection(), latencySection(), publishSection(), memorySection()].filter(Boolean);
  writeFileSync(
    `${RESULTS}README.md`,
    `# Results\n\nWritten by \`npm run bench\` from the JSON files beside it.\n\n${sections.join('\n')}`,
  );
  console.log(`${RESULTS}README.md is written.`);
}

if (isMain(import.meta.url)) writeReport();
