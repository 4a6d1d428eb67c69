/**
 * How fast do returning clients catch up, from a node's memory and from Redis?
 *
 * All clients come back to one node at the same moment, as after the death of another: Socket.IO like an unmodified
 * client with its session and its last cursor, plain WebSocket with `since`, SSE with `Last-Event-ID`. Their positions
 * differ: they have missed between half and all of the messages published meanwhile. In one case all missed messages
 * are in the node's recent window; in the other (with a window of 64 KiB) nearly none are, so that they come from
 * Redis. Every client checks its messages: each one once, in order, with the right content, and nothing after the last.
 * Clients whose return is refused or cut try again after 250 ms and are counted; so are clients that are told that they
 * are not recovered, although nothing was lost. The server's CPU is counted from the order to come back until the last
 * client has caught up, including the handshakes.
 *
 * Not measured: clients that read a few keys of a busy stream, for which the hub scans more than it sends; live
 * messages in the meantime; NGINX; and the time with clients on another machine: here they take CPU, so that the time
 * until all have caught up is longer than the server needs. There is no peer: stock Socket.IO with its Redis adapter
 * recovers nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMain, option } from './lib/main.js';
import { saveResult } from './lib/results.js';
import { type Serving, serving } from './lib/serving.js';
import { median, quantile } from './lib/statistics.js';
import type { PublishOrder } from './load/publisher.js';
import type { ReturningAnswer, ReturningOrder } from './load/returning-worker.js';
import { hub, type Peer } from './peers/peers.js';

const WORKER = fileURLToPath(new URL('load/returning-worker.js', import.meta.url));
const PUBLISHER = fileURLToPath(new URL('load/publisher.js', import.meta.url));
const WORKERS = 2;
const TOPIC = 'market:T00000';
/** Messages that are published while the clients are away. */
const MISSED = 4_000;
/** How long to wait for a message that must not come after the last one. */
const SETTLED_MS = 300;

export type Source = 'window' | 'Redis';

export interface RecoveryRow {
  readonly peer: string;
  readonly source: Source;
  readonly clients: number;
  /** Messages replayed to all of them. */
  readonly messages: number;
  readonly perCpuSecond: number;
  /** Wall-clock time until the last client had caught up. */
  readonly perSecond: number;
  readonly seconds: number;
  /** Time until half of the clients had caught up. */
  readonly p50Seconds: number;
  /** XRANGE calls that Redis served meanwhile. */
  readonly rangeReads: number;
  /** Returns that were refused or cut, and retried. */
  readonly retries: number;
  /** Clients that were told that they were not recovered. */
  readonly lost: number;
}

// Checks of the top of the log read ranges too; none is due during the measurement.
const ENV = { TOP_CHECK_MS: '60000' };

function peers(source: Source): readonly Peer[] {
  const env = source === 'window' ? ENV : { ...ENV, WINDOW_BYTES: '65536' };
  return [hub('socketio', env), hub('websocket', env), hub('sse', env)];
}

async function measure(
  { protocol, name }: Peer,
  source: Source,
  clients: number,
  { ports, redisPort, redisUrl, serverCpuSeconds }: Serving,
): Promise<RecoveryRow> {
  const workers = Array.from({ length: WORKERS }, () => fork(WORKER));
  const each = Math.ceil(clients / WORKERS);
  const share = (worker: number) => Math.max(0, Math.min(each, clients - worker * each));
  const askAll = (order: (worker: number) => ReturningOrder) =>
    Promise.all(workers.map((worker, i) => ask(worker, order(i)))).then((answers) => {
      const errors = answers.flatMap((answer) => answer.errors);
      if (errors.length > 0) throw new Error(`${name}, ${source}: ${errors.slice(0, 3).join('; ')}`);
      return {
        messages: answers.reduce((sum, { messages }) => sum + messages, 0),
        caughtUpMs: answers.flatMap(({ caughtUpMs }) => caughtUpMs),
        retries: answers.reduce((sum, { retries }) => sum + retries, 0),
        lost: answers.flatMap(({ lost }, worker) => lost.map((i) => worker * each + i)),
      };
    });
  try {
    await askAll((i) => ({
      do: 'visit',
      protocol,
      port: ports[0]!,
      localAddress: `127.0.${i + 1}.1`,
      topic: TOPIC,
      clients: share(i),
    }));
    await publish({ way: 'log', redisUrl, topics: [TOPIC], perSecond: MISSED, seconds: 1 });
    // The node has all published messages, and has noticed that its clients are gone.
    await delay(1_000);
    const seen = (client: number) => Math.floor((client / clients) * (MISSED / 2));
    const before = { reads: await rangeReads(redisPort), cpu: serverCpuSeconds(), at: performance.now() };
    const { caughtUpMs, retries, lost } = await askAll((i) => ({
      do: 'return',
      seen: Array.from({ length: share(i) }, (_, j) => seen(i * each + j)),
      top: MISSED,
    }));
    const seconds = (performance.now() - before.at) / 1000;
    const cpu = serverCpuSeconds() - before.cpu;
    const reads = (await rangeReads(redisPort)) - before.reads;
    await delay(SETTLED_MS);
    const { messages } = await askAll(() => ({ do: 'count' }));
    const missed = (client: number) => (lost.includes(client) ? 0 : MISSED - seen(client));
    const expected = Array.from({ length: clients }, (_, i) => missed(i)).reduce((a, b) => a + b, 0);
    if (messages !== expected)
      throw new Error(`${name}, ${source}: ${messages} messages came where ${expected} were missed`);
    return {
      peer: name,
      source,
      clients,
      messages,
      perCpuSecond: messages / cpu,
      perSecond: messages / seconds,
      seconds,
      p50Seconds: quantile(caughtUpMs, 0.5) / 1000,
      rangeReads: reads,
      retries,
      lost: lost.length,
    };
  } finally {
    for (const worker of workers) worker.kill('SIGKILL');
  }
}

async function ask(worker: ChildProcess, order: ReturningOrder): Promise<ReturningAnswer> {
  worker.send(order);
  const [answer] = (await Promise.race([
    once(worker, 'message'),
    once(worker, 'exit').then(() => Promise.reject(new Error('a process of clients died'))),
  ])) as [ReturningAnswer];
  return answer;
}

async function publish(order: PublishOrder): Promise<void> {
  const publisher = fork(PUBLISHER);
  publisher.send(order);
  await once(publisher, 'message');
  publisher.kill('SIGKILL');
}

/** XRANGE calls that a Redis has served, from INFO. */
function rangeReads(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    socket.once('error', reject);
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
      // A bulk string: its length, a line break, the text, a line break.
      const [head] = text.split('\r\n', 1) as [string];
      if (text.length < head.length + Number(head.slice(1)) + 4) return;
      socket.destroy();
      resolve(Number(/cmdstat_xrange:calls=(\d+)/.exec(text)?.[1] ?? 0));
    });
    socket.write('INFO commandstats\r\n');
  });
}

export async function benchRecovery(
  rounds = option('rounds', 2),
  clients = option('clients', 500),
): Promise<void> {
  const cases = (['window', 'Redis'] as const).flatMap((source) =>
    peers(source).map((peer) => ({ source, peer, measured: [] as RecoveryRow[] })),
  );
  for (let round = 0; round < rounds; round++) {
    for (const { source, peer, measured } of cases)
      measured.push(await serving(peer, (servers) => measure(peer, source, clients, servers)));
  }
  const rows = cases.map(({ measured }): RecoveryRow => {
    const middle = (of: (row: RecoveryRow) => number) => median(measured.map(of));
    return {
      ...measured[0]!,
      perCpuSecond: middle(({ perCpuSecond }) => perCpuSecond),
      perSecond: middle(({ perSecond }) => perSecond),
      seconds: middle(({ seconds }) => seconds),
      p50Seconds: middle(({ p50Seconds }) => p50Seconds),
      rangeReads: middle(({ rangeReads }) => rangeReads),
      // The median would hide a few in one round, so the worst round counts.
      retries: Math.max(...measured.map(({ retries }) => retries)),
      lost: Math.max(...measured.map(({ lost }) => lost)),
    };
  });
  const [{ messages }] = rows as [RecoveryRow];
  console.log(
    `${clients.toLocaleString('en')} clients return at once and get ${messages.toLocaleString('en')} messages`,
  );
  for (const row of rows) console.log(`  ${line(row)}`);
  saveResult('recovery', rows);
}

function line(row: RecoveryRow): string {
  const count = (value: number) => Math.round(value).toLocaleString('en');
  return [
    `from ${row.source.padEnd(6)}`,
    row.peer.padEnd(14),
    `${count(row.perCpuSecond).padStart(9)} per CPU-second`,
    `${count(row.perSecond).padStart(9)}/s`,
    `half caught up in ${row.p50Seconds.toFixed(2)} s, all in ${row.seconds.toFixed(2)} s`,
    `${row.rangeReads} range reads`,
    ...(row.retries > 0 ? [`${row.retries} returns tried again`] : []),
    ...(row.lost > 0 ? [`${row.lost} clients not recovered`] : []),
  ].join('  ');
}

if (isMain(import.meta.url)) await benchRecovery();
