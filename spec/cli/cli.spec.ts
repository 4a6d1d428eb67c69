import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { storedHash } from '../../server/auth/api-keys.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { OwnRedis } from '../log/own-redis.js';
import { publish } from '../support/http.js';
import { runCli } from './run-cli.js';

const COMMANDS = ['start', 'cluster', 'token', 'sub', 'tail', 'pub', 'topics', 'nodes', 'doctor', 'check'];

describe('The command line', () => {
  let app: RunningNode;
  let dir: string;
  const run = (args: readonly string[], input = '') => runCli(args, { url: app.url, input });

  before(async () => {
    app = await startTestApp();
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-cli-'));
  });
  after(async () => {
    rmSync(dir, { recursive: true, force: true });
    await app.stop();
  });

  it('says what it can do, and gives examples of each command', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).to.equal(0);
    for (const name of COMMANDS) {
      expect(stdout).to.match(new RegExp(`^ {2}${name}\\b`, 'm'));
      const help = await run([name, '--help']);
      expect(help.code, name).to.equal(0);
      expect(help.stdout, name).to.match(/Example|npm run token --/);
    }
  });

  it('publishes, and reads it again with sub, as people and as programs like it', async () => {
    const published = await run(['--json', 'pub', 'news:cli', '{"n":1}']);
    expect(published.code).to.equal(0);
    expect(published.json()[0]).to.include({ topic: 'news:cli' });
    const read = await run(['--json', 'sub', 'news:cli', '--rewind', '1', '-n', '1', '--cursor']);
    expect(read.code).to.equal(0);
    const [message] = read.json();
    expect(message).to.deep.include({ topic: 'news:cli', data: { n: 1 }, seq: published.json()[0]!.seq });
    const { cursor } = message as { cursor: string };
    await publish(app.url, 'news:cli', { n: 2 });
    const resumed = await run(['sub', 'news:cli', '--since', cursor, '-n', '1']);
    expect(resumed.stdout).to.match(/^\d\d:\d\d:\d\d\.\d{3} news:cli #\d+ {"n":2}\n$/);
    expect(resumed.stderr).to.match(/connected to test-node over socketio/);
  });

  it('has no colours where there is no terminal', async () => {
    const { stdout, stderr } = await run(['sub', 'news:cli', '--rewind', '1', '-n', '1']);
    expect(stdout + stderr).not.to.include('\u001b');
  });

  for (const transport of ['socketio', 'websocket', 'sse']) {
    it(`reads over ${transport} where it is told to`, async () => {
      const { stderr, code } = await run([
        'sub',
        'news:cli',
        '--rewind',
        '1',
        '-n',
        '1',
        '--transport',
        transport,
      ]);
      expect(stderr).to.include(`over ${transport}`);
      expect(code).to.equal(0);
    });
  }

  it('shows the end of a topic with tail', async () => {
    for (const n of [1, 2, 3]) await publish(app.url, 'news:tail', n);
    const { json } = await run(['--json', 'tail', 'news:tail', '-n', '2']);
    expect(json().map(({ data }) => data)).to.deep.equal([2, 3]);
  });

  it('publishes a file at a rate, each line once and in order', async () => {
    const file = join(dir, 'prices.ndjson');
    const lines = Array.from({ length: 60 }, (_, n) => JSON.stringify({ topic: 'news:file', data: n }));
    writeFileSync(file, `${lines.join('\n')}\n`);
    const { json, code } = await run(['--json', 'pub', '--file', file, '--rate', '100']);
    expect(code).to.equal(0);
    const [report] = json();
    expect(report).to.include({ published: 60, refused: 0 });
    expect(report!.seconds).to.be.within(0.5, 12);
    const tail = await run(['--json', 'tail', 'news:file', '-n', '100']);
    expect(tail.json().map(({ data }) => data)).to.deep.equal(lines.map((_, n) => n));
  });

  it('names the lines that were refused, publishes the others, and ends with 1', async () => {
    const input =
      '\ufeff{"topic":"news:mixed","data":1}\r\nno json\n{"topic":"nothing:a","data":1}\n{"topic":"news:mixed","data":2}\n{"topic":"news:mixed","data":1e999}';
    const { stdout, stderr, code } = await run(['pub', '--file', '-'], input);
    expect(stdout).to.match(/^2 published, 3 refused in /);
    expect(stderr).to.match(/line 2: bad_line/);
    expect(stderr).to.match(/line 3: unknown_stream/);
    expect(stderr).to.match(/line 5: bad_line.*64-bit float/);
    expect(code).to.equal(1);
  });

  it('lists streams, topics and nodes', async () => {
    await publish(app.url, 'market:LISTED', 1);
    expect((await run(['topics'])).stdout).to.match(/^market +state +\d/m);
    expect((await run(['topics', 'market'])).stdout).to.match(/^market:LISTED$/m);
    expect((await run(['--json', 'nodes'])).json()[0]).to.include({ node: 'test-node' });
    expect((await run(['nodes'])).stdout).to.match(/^test-node +serves/m);
  });

  it('checks the configuration of the environment', async () => {
    const right = await runCli(['--json', 'check'], { env: { PORT: '9000', JWT_SECRET: 's'.repeat(32) } });
    expect(right.code).to.equal(0);
    expect(right.json()[0]).to.deep.include({ ok: true, set: { PORT: '9000', JWT_SECRET: '…' } });
    const wrong = await runCli(['check'], { env: { PORT: '99999', FEEDS: 'maybe' } });
    expect(wrong.code).to.equal(2);
    expect(wrong.stderr).to.match(/PORT: .*\nFEEDS: /);
  });

  it('checks the set-up of its Redis: one that evicts is a problem, one that does not answer is not', async () => {
    const redis = await OwnRedis.start();
    try {
      const env = { REDIS_URL: redis.url };
      const right = await runCli(['check'], { env });
      expect(right.code, right.stderr).to.equal(0);
      expect(right.stdout).to.match(/^Redis: maxmemory is not set/m);
      const link = await redis.connect();
      await link.command(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru']);
      const wrong = await runCli(['check'], { env });
      expect(wrong.code).to.equal(1);
      expect(wrong.stderr).to.match(/maxmemory-policy is allkeys-lru/);
      const told = (await runCli(['--json', 'check'], { env })).json()[0];
      expect(told).to.have.nested.property('redis[0].level', 'danger');
      expect(told).to.include({ ok: false });
    } finally {
      await redis.stop();
    }
    const away = await runCli(['check'], { env: { REDIS_URL: redis.url } });
    expect(away.code, away.stderr).to.equal(0);
    expect(away.stdout).to.match(/^Redis: its set-up could not be checked/m);
  });

  it('mints tokens', async () => {
    const { stdout, code } = await runCli(['token', '--sub', 'alice'], {
      env: { JWT_SECRET: 's'.repeat(32) },
    });
    expect(code).to.equal(0);
    expect(stdout).to.match(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  });

  it('makes keys, each with its entry for the file of keys', async () => {
    const { stdout, stderr, code } = await runCli([
      ...['token', '--api-key', '--sub', 'feeder'],
      ...['--publish', 'market:*', '--publish', 'news:*', '--admin'],
    ]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^axk_\S+\n$/);
    const [entry = ''] = /^\{$[\s\S]*?^\}$/m.exec(stderr) ?? [];
    const { feeder } = JSON.parse(entry) as { feeder: { hash: string } };
    expect(feeder).to.deep.equal({
      hash: storedHash(stdout.trim()),
      streams: { subscribe: [], publish: ['market:*', 'news:*'] },
      admin: true,
    });
  });

  for (const [what, args, says] of [
    ['nobody is named', ['--api-key'], /--sub is missing/],
    ['a topic is none', ['--sub', 'a', '--subscribe', 'x'], /"x" is/],
    ['a time is none', ['--sub', 'a', '--expires-in', '3y'], /--expires-in: "3y"/],
    ['there is no such option', ['--sub', 'a', '--for', '3d'], /unknown option '--for'/],
  ] as const) {
    it(`mints no token where ${what}`, async () => {
      const { stdout, stderr, code } = await runCli(['token', ...args], {
        env: { JWT_SECRET: 's'.repeat(32) },
      });
      expect({ stdout, code }).to.deep.equal({ stdout: '', code: 2 });
      expect(stderr).to.match(says);
    });
  }

  const ENDS: readonly (readonly [what: string, args: readonly string[], code: number, says: RegExp])[] = [
    ['the hub refuses', ['sub', 'nothing:a'], 1, /unknown_stream/],
    ['a token is not accepted', ['--token', 'wrong', 'pub', 'news:a', '1'], 1, /refused \(token_invalid\)/],
    ['an option is wrong', ['sub', 'news:a', '--rewind', '0'], 2, /whole number from 1/],
    [
      'options exclude each other',
      ['sub', 'news:a', '--rewind', '1', '--since', 'x'],
      2,
      /cannot be combined/,
    ],
    ['the data is no JSON', ['pub', 'news:a', 'text'], 2, /is not JSON/],
    ['a number has no end', ['pub', 'news:a', '{"n":1e999}'], 2, /data: .*64-bit float/],
    ['there is no such command', ['publish'], 2, /unknown command/],
    ['a file is not there', ['pub', '--file', '/no/such/file'], 2, /--file: ENOENT/],
    ['there is no hub', ['--url', 'http://127.0.0.1:9', 'nodes'], 3, /could not be reached/],
    [
      'a subscription finds no hub',
      ['--url', 'http://127.0.0.1:9', 'sub', 'news:a'],
      3,
      /could not be reached/,
    ],
    ['the time is over', ['sub', 'news:silent', '--timeout', '0.2'], 4, /timed out after 0.2 s/],
  ];
  for (const [what, args, code, says] of ENDS) {
    it(`ends with ${code} where ${what}`, async () => {
      const result = await run(args);
      expect(result.stderr).to.match(says);
      expect(result.code).to.equal(code);
      expect(result.stdout).to.equal('');
    });
  }

  it('reports an error as JSON if asked to', async () => {
    const { stderr } = await run(['--json', 'pub', 'nothing:a', '1']);
    expect(JSON.parse(stderr)).to.include({ error: 'unknown_stream' });
  });
});
