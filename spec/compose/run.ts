/**
 * `npm run verify:compose`: brings docker-compose.yml up for real from a clean copy, opens every address that the
 * README names through both ports, runs the connectors in the image, kills a node under load, looks at what Prometheus
 * scrapes, and takes everything down again. Without an engine it says so and ends with 0.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import type { TestClient } from '../support/client.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { copyCheckout } from './clean-copy.js';
import { AWAY, SAYS_AWAY } from './connectors.js';
import { output, ROOT, whyNoEngine } from './engine.js';
import { check } from './hub.js';
import { RetryingPublisher } from './retrying-publisher.js';

const PROJECT = 'axiom-streaming';
const TOPIC = 'signals:verify';
const PER_SECOND = 100;

const started = performance.now();
const dir = mkdtempSync(join(tmpdir(), 'axiom-compose-'));
const source = join(dir, 'source');
const envFile = join(dir, '.env');
const env = {
  OPEN_FILES: '65536',
  HTTP_PORT: process.env.HTTP_PORT || '8001',
  HTTPS_PORT: process.env.HTTPS_PORT || '8443',
  PROMETHEUS_PORT: process.env.PROMETHEUS_PORT || '9090',
  // The clients below appear to come from many addresses.
  REAL_IP_FROM: '10.0.0.0/8 172.16.0.0/12 192.168.0.0/16',
};
const url = `http://localhost:${env.HTTP_PORT}`;
const secureUrl = `https://localhost:${env.HTTPS_PORT}`;

const compose = (...args: string[]) =>
  output('docker', ['compose', '--env-file', envFile, ...args], env, source);

function say(what: string): void {
  process.stdout.write(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${what}\n`);
}

async function timed<T>(what: string, task: () => Promise<T>): Promise<T> {
  const from = performance.now();
  const result = await task();
  say(`${what}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
  return result;
}

async function bringUp(): Promise<void> {
  await output('node', ['docker/secrets.mjs', envFile]);
  // Containers get no more than the engine has, which is this machine's limit where it runs here.
  if (process.platform === 'linux') {
    env.OPEN_FILES = String(Math.min(65_536, Number(await output('sh', ['-c', 'ulimit -Hn'])) || 65_536));
  }
  say(`a clean copy has ${await copyCheckout(ROOT, source)} files`);
  await timed('docker compose build', () => compose('build'));
  await timed('docker compose up -d --wait', () => compose('up', '-d', '--wait'));
  const images = await output('docker', ['image', 'ls', '--format', '{{.Repository}} {{.Size}}']);
  for (const line of images.split('\n').filter((image) => image.startsWith(PROJECT))) say(`image ${line}`);
}

/** A token of an administrator who reads and publishes, minted in a node. */
function mintToken(): Promise<string> {
  const streams = ['market', 'news', 'portfolio', 'signals'].map((stream) => `${stream}:*`);
  const grants = streams.flatMap((topics) => ['--subscribe', topics, '--publish', topics]);
  const mint = ['node', 'dist/server/cli/main.js', 'token', '--sub', 'verify', '--admin'];
  return compose('exec', '-T', 'api', ...mint, ...grants);
}

async function askBothPorts(token: string): Promise<void> {
  const certificate = join(dir, 'certificate.pem');
  writeFileSync(certificate, await compose('exec', '-T', 'nginx', 'cat', '/etc/nginx/tls/fullchain.pem'));
  const program = fileURLToPath(new URL('addresses.js', import.meta.url));
  for (const base of [url, secureUrl]) {
    say(`every address at ${base}`);
    const answers = await output(process.execPath, [program, '--url', base, '--token', token], {
      NODE_EXTRA_CA_CERTS: certificate,
    });
    for (const line of answers.split('\n')) say(`  ${line}`);
  }
  const session = connect(secureUrl, { rejectUnauthorized: false });
  try {
    const status = await new Promise((resolve, reject) => {
      session.once('error', reject);
      session
        .request({ ':path': '/health' })
        .once('error', reject)
        .once('response', (headers) => resolve(headers[':status']));
    });
    check(status === 200 && session.alpnProtocol === 'h2', { status, protocol: session.alpnProtocol });
    say(`${secureUrl}/health: ${status} over ${session.alpnProtocol}`);
  } finally {
    session.destroy();
  }
}

/** Each connector in a node's container, as the documents have it. What it reads from is away, and it says so. */
async function runConnectors(): Promise<void> {
  const streams = '{"news": {"class": "log", "archive": true}}';
  const settings = Object.entries(AWAY).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const runs = async ([name, says]: [string, RegExp]) => {
    const command = `echo '${streams}' >/tmp/${name}.json; STREAMS_FILE=/tmp/${name}.json timeout 30 node dist/server/connectors/run.js ${name} 2>&1; true`;
    const lines = await compose('exec', '-T', ...settings, 'api', 'sh', '-c', command);
    check(says.test(lines), { connector: name, lines });
  };
  await Promise.all(Object.entries(SAYS_AWAY).map(runs));
  say(`in the image run: ${Object.keys(SAYS_AWAY).join(', ')}`);
}

/** What gets into NGINX finds no Redis, whose network it is not in. */
async function seekRedis(): Promise<void> {
  const seek = 'curl -sS -m 5 telnet://axiom_redis:6379 2>&1 </dev/null; true';
  const answer = await compose('exec', '-T', 'nginx', 'sh', '-c', seek);
  check(/resolve/i.test(answer), { answer });
  say(`from NGINX: ${answer}`);
}

async function killANode(token: string): Promise<void> {
  const clients: TestClient[] = [];
  for (const transport of [...TRANSPORTS, ...TRANSPORTS, ...TRANSPORTS]) {
    clients.push(await subscribeOver(transport, { url, token }, { topics: [TOPIC] }));
  }
  try {
    const publisher = new RetryingPublisher(url, token, TOPIC, PER_SECOND);
    publisher.start();
    await until('messages flow', () => clients.every(({ seen }) => seen.messages.length >= 200));
    const killed = clients[0]!.node;
    const affected = clients.filter(({ node }) => node === killed);
    check(affected.length > 0 && affected.length < clients.length, { affected: affected.length });
    say(`kill -9 of the node in ${killed}, with ${affected.length} of ${clients.length} clients`);
    const state = () =>
      output('docker', ['inspect', '-f', '{{.RestartCount}} {{.State.Health.Status}}', killed]);
    // All processes but the first: what restarts the container is its own end, as after a crash. The shell dies with
    // them.
    await output('docker', ['exec', killed, 'sh', '-c', 'kill -9 -1']).catch(() => undefined);
    await timed('its clients are connected again', () =>
      until('they are', () => affected.every(({ seen }) => seen.nodes.length > 1), { withinMs: 20_000 }),
    );
    await timed(`${killed} was restarted and is healthy`, () =>
      until('it is', async () => (await state()) === '1 healthy', {
        withinMs: 60_000,
        instead: () => killed,
      }),
    );
    const since = clients[0]!.seen.messages.length;
    await until('messages go on', () => clients.every(({ seen }) => seen.messages.length > since + 200));
    const published = await publisher.stop();
    await until(
      'everything has arrived',
      () => clients.every(({ seen }) => seen.messages.length >= published),
      {
        withinMs: 20_000,
        instead: () => clients.map(({ transport, seen }) => [transport, seen.messages.length, published]),
      },
    );
    for (const { transport, seen } of clients) {
      const wrong = seen.data().findIndex((data, n) => data !== n);
      check(wrong === -1 && seen.messages.length === published && seen.gaps.length === 0, {
        transport,
        wrong,
      });
    }
    say(
      `${published} messages published (${publisher.retries} requests repeated): each of ${clients.length} clients has all of them once, in order`,
    );
  } finally {
    for (const client of clients) client.close();
  }
}

async function monitor(): Promise<void> {
  await timed('docker compose --profile monitoring up -d --wait', () =>
    compose('--profile', 'monitoring', 'up', '-d', '--wait'),
  );
  interface Target {
    readonly scrapePool: string;
    readonly health: string;
    readonly lastError: string;
    readonly labels: { readonly instance: string };
  }
  let targets: readonly Target[] = [];
  await until(
    'every target is scraped',
    async () => {
      const response = await fetch(`http://localhost:${env.PROMETHEUS_PORT}/api/v1/targets?state=active`);
      targets = ((await response.json()) as { data: { activeTargets: Target[] } }).data.activeTargets;
      return targets.length >= 7 && targets.every(({ health }) => health === 'up');
    },
    { withinMs: 60_000, instead: () => targets },
  );
  say(`scraped: ${targets.map(({ scrapePool, labels }) => `${scrapePool} ${labels.instance}`).join(', ')}`);
  const up = await fetch(`http://localhost:${env.PROMETHEUS_PORT}/api/v1/query?query=redis_up`);
  const { result } = ((await up.json()) as { data: { result: { value: [number, string] }[] } }).data;
  check(result.length === 1 && result[0]?.value[1] === '1', { redis_up: result });
  const rules = await fetch(`http://localhost:${env.PROMETHEUS_PORT}/api/v1/rules`);
  const { groups } = ((await rules.json()) as { data: { groups: { rules: { health: string }[] }[] } }).data;
  const loaded = groups.flatMap((group) => group.rules);
  check(loaded.length > 0 && loaded.every(({ health }) => health !== 'err'), { rules: loaded });
  say(`rules of Prometheus: ${loaded.length} in ${groups.length} groups`);
  const stats = await output('docker', ['stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}}']);
  say(`memory: ${stats.replaceAll('\n', '; ')}`);
}

async function takeDown(): Promise<void> {
  await timed('docker compose down', () => compose('--profile', 'monitoring', 'down', '--volumes'));
  const filter = ['--filter', `label=com.docker.compose.project=${PROJECT}`];
  for (const kind of [
    ['ps', '-aq'],
    ['network', 'ls', '-q'],
    ['volume', 'ls', '-q'],
  ]) {
    const left = await output('docker', [...kind, ...filter]);
    check(left === '', { [kind[0]!]: left });
  }
  say('nothing is left: no container, network or volume');
}

async function main(): Promise<number> {
  const why = await whyNoEngine();
  if (why !== undefined) {
    process.stdout.write(
      `SKIPPED: nothing was verified. There is no Docker engine with Compose 2.24 or newer: ${why}\n`,
    );
    return 0;
  }
  const filter = ['--filter', `label=com.docker.compose.project=${PROJECT}`];
  if (
    (await output('docker', ['ps', '-aq', ...filter])) +
      (await output('docker', ['volume', 'ls', '-q', ...filter])) !==
    ''
  ) {
    process.stdout.write(
      `There is a deployment ${PROJECT} here, and this would replace it: take it down first.\n`,
    );
    return 2;
  }
  try {
    await bringUp();
    const token = await mintToken();
    await askBothPorts(token);
    await runConnectors();
    await seekRedis();
    await killANode(token);
    await monitor();
    await takeDown();
    say('verified');
    return 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    const logs = await compose('--profile', 'monitoring', 'logs', '--tail', '30').catch(() => '');
    process.stderr.write(`${logs}\n`);
    await compose('--profile', 'monitoring', 'down', '--volumes');
    return 1;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

process.exit(await main());
