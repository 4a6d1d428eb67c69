/** `demo`: a tour. It starts a cluster and a reader on each transport, kills a node, and counts what arrived. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recovery, Transport } from '@axiom-streaming/client';
import { connect, type HubClient } from '@axiom-streaming/client';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import type { Command } from 'commander';
import { LocalCluster } from '../local-cluster/local-cluster.js';
import { MissingProgram } from '../local-cluster/managed-process.js';
import { CliError, EXIT } from './exit-codes.js';
import { type Colour, globalOptions, messageOf, type Surroundings, type Terminal } from './output.js';

const TOPIC = 'signals:tour';
const NAMES = { socketio: 'Socket.IO', websocket: 'WebSocket', sse: 'SSE' } as const;
const PER_SECOND = 100;
const BEFORE_MS = 3_000;
const AFTER_MS = 5_000;
const STEP_MS = 50;
/** Every reader must have everything that was published within this time after the end. */
const SETTLE_MS = 10_000;
const CONNECT_MS = 20_000;

/** What one reader received. */
export interface Account {
  readonly transport: Transport;
  readonly received: number;
  readonly missing: number;
  readonly repeated: number;
  readonly disordered: number;
  /** Messages that it missed while disconnected and received later. */
  readonly recovered: number;
  readonly awayMs: number;
}

export function addDemo(program: Command, surroundings: Surroundings): void {
  program
    .command('demo')
    .description('a tour: three nodes, three transports, one node killed, and an account of every message')
    .action(async (_options: unknown, command: Command) => {
      const { json } = globalOptions(command, surroundings);
      await play(surroundings.terminal, json);
    });
}

async function play(terminal: Terminal, json: boolean): Promise<void> {
  const say = (colour: Colour | undefined, text: string) => {
    if (!json) terminal.print(colour === undefined ? text : terminal.paint(terminal.stdout, colour, text));
  };
  const key = randomBytes(18).toString('base64url');
  say('bold', 'Starting Redis, three nodes and NGINX …');
  const cluster = await startCluster(key);
  const readers: Reader[] = [];
  try {
    for (const transport of TRANSPORTS) readers.push(await Reader.open(cluster.url, key, transport));
    for (const { transport, node } of readers) {
      say(undefined, `  ${NAMES[transport].padEnd(9)}  reads ${TOPIC} through NGINX, from ${node}`);
    }
    const publishing = new Publishing(cluster.url, key);
    const published = publishing.run(BEFORE_MS + AFTER_MS);
    say('bold', `\nPublishing ${PER_SECOND} numbered messages per second …`);
    await delay(BEFORE_MS);
    const victim = cluster.nodes.find(({ name }) => name === readers[0]!.node)!;
    say('red', `\nkill -9 ${victim.name}, which serves them`);
    await victim.process.stop('SIGKILL');
    for (const reader of readers) {
      reader.client.on('recovered', (recovery) => say('green', describe(reader, recovery)));
    }
    const count = await published;
    await settle(readers, count);
    const accounts = readers.map((reader) => reader.account(count));
    if (json)
      for (const account of accounts) terminal.print(JSON.stringify({ published: count, ...account }));
    else report(terminal, accounts, count, publishing.repeats);
    if (accounts.some(({ missing, repeated, disordered }) => missing + repeated + disordered > 0)) {
      throw new CliError('lost', 'not every message arrived once and in order', EXIT.refused);
    }
    say('green', '\nEvery message arrived at every reader, once and in order.');
    say(undefined, 'Your turn: npm run cluster, then open http://localhost:8001/');
  } finally {
    for (const { client } of readers) client.close();
    await cluster.stop();
  }
}

async function startCluster(key: string): Promise<LocalCluster> {
  try {
    return await LocalCluster.start({ env: { LOG_LEVEL: 'silent', FEEDS: 'off', PUBLISH_KEY: key } });
  } catch (error) {
    if (!(error instanceof MissingProgram)) throw error;
    throw new CliError('missing', messageOf(error), EXIT.usage);
  }
}

function describe({ transport }: Reader, { recovered, missed, awayMs, node }: Recovery): string {
  const what = recovered ? `${missed} messages caught up` : 'some messages could not be recovered';
  return `  ${NAMES[transport].padEnd(9)}  is back on ${node} after ${(awayMs / 1000).toFixed(1)} s: ${what}`;
}

async function settle(readers: readonly Reader[], count: number): Promise<void> {
  const until = performance.now() + SETTLE_MS;
  while (performance.now() < until && readers.some((reader) => !reader.has(count))) await delay(STEP_MS);
}

function report(terminal: Terminal, accounts: readonly Account[], count: number, repeats: number): void {
  terminal.print('');
  terminal.table(
    ['reader', 'published', 'received', 'missing', 'twice', 'out of order', 'caught up'],
    accounts.map(({ transport, received, missing, repeated, disordered, recovered }) => [
      NAMES[transport],
      count,
      received,
      missing,
      repeated,
      disordered,
      recovered,
    ]),
  );
  if (repeats > 0) {
    terminal.print(
      `\nThe publisher also hit the dead node: it resent ${repeats} requests, without duplicates thanks to their ids.`,
    );
  }
}

/** One client, and what it has received. */
class Reader {
  readonly client: HubClient;
  readonly transport: Transport;
  readonly #seen: number[] = [];
  #recovered = 0;
  #awayMs = 0;

  private constructor(client: HubClient, transport: Transport) {
    this.client = client;
    this.transport = transport;
    client.on('recovered', ({ missed, awayMs }) => {
      this.#recovered += missed;
      this.#awayMs += awayMs;
    });
  }

  static async open(url: string, token: string, transport: Transport): Promise<Reader> {
    const client = connect({ url, token, transport, maxBackoffMs: 1_000 });
    const reader = new Reader(client, transport);
    const subscription = client.subscribe(TOPIC, ({ data }) => reader.#seen.push((data as { n: number }).n));
    const late = delay(CONNECT_MS).then(() => {
      throw new CliError('unreachable', `${NAMES[transport]} did not connect`, EXIT.unreachable);
    });
    await Promise.race([subscription.ready, late]);
    return reader;
  }

  get node(): string {
    return this.client.status.node ?? 'nowhere';
  }

  /** Whether message number `count` has arrived. */
  has(count: number): boolean {
    return this.#seen.at(-1) === count;
  }

  account(count: number): Account {
    const distinct = new Set(this.#seen);
    return {
      transport: this.transport,
      received: this.#seen.length,
      missing: count - distinct.size,
      repeated: this.#seen.length - distinct.size,
      disordered: this.#seen.filter((n, i) => i > 0 && n < this.#seen[i - 1]!).length,
      recovered: this.#recovered,
      awayMs: Math.round(this.#awayMs),
    };
  }
}

/** A careful publisher: it resends unanswered requests with the same ids. */
class Publishing {
  /** Number of requests that were resent. */
  repeats = 0;
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  /** @returns how many messages were committed */
  async run(forMs: number): Promise<number> {
    const started = performance.now();
    let sent = 0;
    for (;;) {
      const elapsed = Math.min(performance.now() - started, forMs);
      const due = Math.floor((elapsed / 1000) * PER_SECOND);
      if (due > sent) await this.#send(sent + 1, due);
      sent = due;
      if (elapsed >= forMs) return sent;
      await delay(STEP_MS);
    }
  }

  async #send(from: number, to: number): Promise<void> {
    const items = Array.from({ length: to - from + 1 }, (_, i) => ({
      topic: TOPIC,
      data: { n: from + i },
      id: `tour-${from + i}`,
    }));
    const body = JSON.stringify(items);
    for (let pauseMs = STEP_MS; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
      if (await this.#committed(body)) return;
      this.repeats += 1;
      await delay(pauseMs);
    }
  }

  async #committed(body: string): Promise<boolean> {
    try {
      const response = await fetch(`${this.#url}/api/messages`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${this.#key}` },
        body,
        signal: AbortSignal.timeout(5_000),
      });
      const { results = [] } = (await response.json()) as { results?: { ok: boolean }[] };
      return response.ok && results.every(({ ok }) => ok);
    } catch {
      // Refused, cut or late: in each case the messages were not acknowledged.
      return false;
    }
  }
}
