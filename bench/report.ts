/** Writes `bench/results/README.md` and its charts from the saved results. */
import { writeFileSync } from 'node:fs';
import { type ConnectionsRow, HEARTBEAT_MS } from './connections.js';
import type { FanoutCase } from './fanout.js';
import type { FloodResult } from './flood.js';
import type { LatencyRow } from './latency.js';
import { isMain } from './lib/main.js';
import { number, picture, table, under } from './lib/markdown.js';
import { loadResult, RESULTS, type Result } from './lib/results.js';
import { CONNECTIONS, type MemoryRow } from './memory.js';
import type { PublishRow } from './publish.js';
import type { RecoveryRow } from './recovery.js';
import type { ScaleSeries } from './scale.js';

/** The hub's own bars are highlighted. */
const isOwn = (peer: string) => peer.startsWith('hub');

const millions = (value: number) => `${number(value / 1e6, 2)} M`;

/** A bench's section of the page, or nothing if it has not been run. */
function section<T>(
  name: string,
  title: string,
  intro: string,
  body: (result: T) => readonly string[],
): string {
  const saved: Result<T> | undefined = loadResult<T>(name);
  if (saved === undefined) return '';
  const head = `\`npm run bench:${name}\`. ${intro} The header of \`bench/${name}.ts\` says what is not measured.`;
  return [`## ${title}`, head, under(saved.circumstances), ...body(saved.result)].join('\n\n');
}

function fanout(cases: readonly FanoutCase[]): string[] {
  return cases.flatMap(({ name, rows }, i) => {
    const own = rows[0]!;
    const bars = rows.map(({ peer, perCpuSecond, share }) => ({
      label: peer,
      value: perCpuSecond,
      text: `${millions(perCpuSecond)}${share < 0.95 ? ' (falls behind)' : ''}`,
      own: isOwn(peer),
    }));
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
    return [
      `### ${name}`,
      picture(`fanout-${i + 1}`, `Deliveries per CPU-second: ${name}`, bars),
      table(head, lines),
    ];
  });
}

function latency(rows: readonly LatencyRow[]): string[] {
  const bars = rows.map(({ load, peer, p99Ms }) => ({
    label: `${load}: ${peer}`,
    value: p99Ms,
    text: `${number(p99Ms, 1)} ms`,
    own: isOwn(peer),
  }));
  const lines = rows.map(({ load, peer, perSecond, p50Ms, p99Ms, p999Ms, share }) => [
    load,
    peer,
    number(perSecond),
    number(p50Ms, 1),
    number(p99Ms, 1),
    number(p999Ms, 1),
    number(share, 2),
  ]);
  return [
    picture('latency', 'Publish to receive, p99: shorter is better', bars),
    table(['load', '', 'msg/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'share'], lines, 2),
  ];
}

function publishing(rows: readonly PublishRow[]): string[] {
  const bars = rows.map(({ way, perCpuSecond }) => ({
    label: way,
    value: perCpuSecond,
    text: number(perCpuSecond),
    own: true,
  }));
  const lines = rows.map(({ way, perSecond, perCpuSecond, redisMicroseconds }) => [
    way,
    number(perSecond),
    number(perCpuSecond),
    number(redisMicroseconds, 1),
  ]);
  return [
    picture('publish', 'Messages published per second of the node’s CPU', bars),
    table(['', 'messages/s', 'per CPU-second of the node', 'µs of Redis each'], lines),
  ];
}

function flood([result]: readonly FloodResult[]): string[] {
  const { seconds, calmP99Ms, floodP99Ms, attempts, refused } = result!;
  const times = number(floodP99Ms / calmP99Ms, 1);
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of).map(([what, count]) => [what, number(count)]);
  return [
    `p99 of the 200 clients: ${number(calmP99Ms, 1)} ms calm, ${number(floodP99Ms, 1)} ms under the flood (${times} times).`,
    table([`attempts in ${seconds} s`, ''], counts(attempts)),
    table(['refused or ended, by limit', ''], counts(refused)),
  ];
}

function memory(rows: readonly MemoryRow[]): string[] {
  const bars = rows.map(({ peer, kilobytes }) => ({
    label: peer,
    value: kilobytes,
    text: `${number(kilobytes, 1)} KB`,
    own: isOwn(peer),
  }));
  return [
    picture('memory', 'Memory of an idle connection: shorter is better', bars),
    table(
      ['', 'KB per connection'],
      rows.map(({ peer, kilobytes }) => [peer, number(kilobytes, 1)]),
    ),
  ];
}

function connections(rows: readonly ConnectionsRow[]): string[] {
  const count = number(rows[0]!.connections);
  const bars = (value: (row: ConnectionsRow) => number, text: (value: number) => string) =>
    rows.map((row) => ({
      label: row.peer,
      value: value(row),
      text: text(value(row)),
      own: isOwn(row.peer),
    }));
  const lines = rows.map((row) => [
    row.peer,
    number(row.perSecond),
    number(row.perCpuSecond),
    number(row.kilobytes, 1),
    number(row.idleCore * 100, 1),
    number(((row.idleCore * 60) / row.connections / row.heartbeatsPerMinute) * 1e6, 1),
  ]);
  return [
    picture(
      'connections-rate',
      `Connected and subscribed per CPU-second, to ${count}`,
      bars(({ perCpuSecond }) => perCpuSecond, number),
    ),
    picture(
      'connections-idle',
      `CPU of ${count} idle connections, % of a core: shorter is better`,
      bars(
        ({ idleCore }) => idleCore * 100,
        (value) => `${number(value, 1)} %`,
      ),
    ),
    table(
      [
        '',
        'connected per second',
        'per CPU-second',
        'KB per connection',
        'idle: % of a core',
        'µs of CPU for each heartbeat',
      ],
      lines,
    ),
  ];
}

function recovery(rows: readonly RecoveryRow[]): string[] {
  const { clients, messages } = rows[0]!;
  const bars = rows.map(({ source, peer, perCpuSecond }) => ({
    label: `${peer}, from ${source === 'window' ? 'the window' : source}`,
    value: perCpuSecond,
    text: millions(perCpuSecond),
    own: source === 'window',
  }));
  const lines = rows.map((row) => [
    row.source === 'window' ? 'the window' : row.source,
    row.peer,
    number(row.perCpuSecond),
    number(row.perSecond),
    number(row.p50Seconds, 2),
    number(row.seconds, 2),
    number(row.rangeReads),
    number(row.retries),
    number(row.lost),
  ]);
  const head = [
    'from',
    '',
    'messages per CPU-second',
    'per second',
    'half caught up, s',
    'all caught up, s',
    'range reads',
    'tried again',
    'not recovered',
  ];
  return [
    `${number(clients)} clients come back at once and get ${number(messages)} messages between them.`,
    picture('recovery', 'Messages replayed per CPU-second', bars),
    table(head, lines, 2),
  ];
}

function scale(series: readonly ScaleSeries[]): string[] {
  return series.flatMap(({ factor, fixed, rows }) => {
    const bars = rows.map(({ at, peer, microseconds }) => ({
      label: `${at}: ${peer}`,
      value: microseconds,
      text: `${number(microseconds, 2)} µs`,
      own: isOwn(peer),
    }));
    const lines = rows.map((row) => [
      row.at,
      row.peer,
      number(row.microseconds, 2),
      number(row.perCpuSecond),
      number(row.deliveriesPerSecond),
      number(row.redisMicroseconds, 1),
      number(row.share, 2),
      number(row.p99Ms, 1),
    ]);
    const head = [
      '',
      '',
      'µs of CPU each',
      'per CPU-second',
      'per second',
      'µs of Redis per message',
      'share',
      'p99 ms',
    ];
    return [
      `### ${factor}`,
      `${fixed}.`,
      picture(
        `scale-${factor.toLowerCase()}`,
        `CPU of a delivery, by ${factor.toLowerCase()}: shorter is better`,
        bars,
      ),
      table(head, lines, 2),
    ];
  });
}

/** Writes the page; sections of benches that have not been run are left out. */
export function writeReport(): void {
  const sections = [
    section(
      'fanout',
      'Fan-out',
      'Medians; CPU of the serving process; `share` is the fraction of the messages published in the time that was delivered; below 1 a server falls behind.',
      fanout,
    ),
    section(
      'latency',
      'Latency',
      '1,000 subscribers of one topic, publish → receive, through Redis.',
      latency,
    ),
    section('flood', 'A flood by one address', 'Well-behaved clients of a node that is flooded.', flood),
    section('publish', 'Publishing', 'Through one node into Redis.', publishing),
    section(
      'memory',
      'Memory',
      `Resident memory per idle connection that reads one topic, ${number(CONNECTIONS)} of them, after garbage collection.`,
      memory,
    ),
    section(
      'connections',
      'Connections',
      `Each subscribes to one topic; then nothing but a heartbeat every ${HEARTBEAT_MS / 1000} s.`,
      connections,
    ),
    section(
      'recovery',
      'Recovery',
      'Messages replayed to returning clients from a node’s recent window, and from Redis; all are checked. Range reads are XRANGE calls, also those of the script that checks the top of the log.',
      recovery,
    ),
    section(
      'scale',
      'Scale',
      'CPU of all nodes for each delivery. Redis’s CPU has its rest in it: some 1 % of a core, which at few messages is most of it.',
      scale,
    ),
  ].filter(Boolean);
  writeFileSync(
    `${RESULTS}README.md`,
    `# Results\n\nWritten by \`npm run bench\` from the JSON files beside it.\n\n${sections.join('\n\n')}\n`,
  );
  console.log(`${RESULTS}README.md is written.`);
}

if (isMain(import.meta.url)) writeReport();
