/** Takes the programs out of the recipes and runs them, against a hub that is really there. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Context } from 'mocha';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { SPEC_KEY } from '../support/credentials.js';
import { publish } from '../support/http.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/wait.js';
import { codeBlocksOf } from './code-blocks.js';
import { Program } from './program.js';

const DOCS = fileURLToPath(new URL('../../../docs/integrations', import.meta.url));
/** Debian's, which its packages belong to. */
const PYTHON = '/usr/bin/python3';

/** Skips, and says so, where a command does not succeed. */
function needs(context: Context, what: string, command: string, ...args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: 'ignore', timeout: 20_000 });
  } catch {
    console.warn(`      SKIPPED: ${what} is not installed`);
    context.skip();
  }
}

describe('The recipes', () => {
  const files = new Map(
    codeBlocksOf('docs/integrations/recipes.md').map(({ file, text }) => [
      file ?? 'a block without a file',
      text,
    ]),
  );
  const programs: Program[] = [];
  let app: RunningNode;
  let proxy: TcpProxy;
  let dir: string;
  let env: Record<string, string>;

  const cut = () => {
    proxy.target = undefined;
    proxy.cut();
  };
  const mend = () => {
    proxy.target = app.port;
  };
  const run = (command: string, ...args: readonly string[]) => {
    const program = new Program(command, args, { cwd: dir, env });
    programs.push(program);
    return program;
  };
  /** Data of the messages that a program printed as JSON, whole or in frames. */
  const dataOf = ({ lines }: Program) =>
    lines.flatMap((line) => {
      const read = JSON.parse(line) as { data?: unknown; message?: { data: unknown } };
      const message = read.message ?? read;
      return 'data' in message ? [message.data] : [];
    });

  before(async () => {
    app = await startTestApp();
    // Cutting it is what a network does.
    proxy = await TcpProxy.start(app.port);
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-recipes-'));
    for (const [name, text] of files) {
      writeFileSync(join(dir, name), text);
      chmodSync(join(dir, name), 0o755);
    }
    env = { AXIOM_URL: `http://127.0.0.1:${proxy.port}`, AXIOM_TOKEN: SPEC_KEY };
  });

  afterEach(() => {
    for (const program of programs.splice(0)) program.kill();
  });

  after(async () => {
    await proxy.close();
    await app.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('are the files that this spec runs, and no others', () => {
    expect([...files.keys()]).to.deep.equal([
      'watch.sh',
      'publish.sh',
      'news_index.py',
      'watch_socketio.py',
      'Watch.java',
    ]);
  });

  /** What every recipe that watches has to do: come back after a cut with nothing missing, nothing twice. */
  const itWatches = async (topic: string, watch: () => Program, ready: (program: Program) => boolean) => {
    const program = watch();
    await program.until('it has subscribed', () => ready(program));
    for (let n = 1; n <= 5; n++) await publish(app.url, topic, { n });
    await program.until('it shows what was published', () => dataOf(program).length >= 5);
    cut();
    for (let n = 6; n <= 20; n++) await publish(app.url, topic, { n });
    mend();
    await publish(app.url, topic, { n: 21 });
    await program.until('it shows the rest', () => dataOf(program).length >= 21);
    expect(dataOf(program)).to.deep.equal(Array.from({ length: 21 }, (_, i) => ({ n: i + 1 })));
  };
  const isRead = (topic: string) => () =>
    [...app.hub.subscribers.values()].some(
      ({ closed, settled, readers }) =>
        !closed && settled && [...readers.values()].some((reader) => reader.topics().includes(topic)),
    );

  it('watch.sh watches over a cut', async function () {
    needs(this, 'curl', 'curl', '--version');
    await itWatches(
      'news:shell',
      () => run('sh', 'watch.sh', 'news:shell', 'position'),
      isRead('news:shell'),
    );
  });

  it('publish.sh publishes once for an id', async function () {
    needs(this, 'curl', 'curl', '--version');
    const answers: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const program = run('sh', 'publish.sh', 'news:published', '{"a":1}', 'id-1');
      await program.until('it ends', () => program.ended !== undefined);
      expect(program.ended, program.errors).to.equal(0);
      answers.push(JSON.parse(program.output));
    }
    const [first, second] = answers as [object, object];
    expect(second).to.deep.equal({ ...first, duplicate: true });
  });

  it('watch_socketio.py watches over a cut', async function () {
    needs(this, 'python3-socketio with python3-aiohttp', PYTHON, '-c', 'import socketio, aiohttp');
    await itWatches(
      'news:python',
      () => run(PYTHON, 'watch_socketio.py', 'news:python'),
      ({ lines }) => lines.length > 0,
    );
  });

  it('Watch.java watches over a cut', async function () {
    needs(this, 'a JDK of Java 17 or newer', 'java', '--version');
    needs(this, 'a JDK of Java 17 or newer', 'javac', '--version');
    await itWatches(
      'news:java',
      () => run('java', 'Watch.java', 'news:java'),
      ({ lines }) => lines.length > 0,
    );
  });

  it('news_index.py holds every message once, killed and cut as it likes', async function () {
    needs(
      this,
      'python3',
      PYTHON,
      '-c',
      'import sqlite3; sqlite3.connect(":memory:").execute("create virtual table t using fts5(a)")',
    );
    const follow = () => run(PYTHON, 'news_index.py', 'follow', 'index.db', 'news:*');
    let program = follow();
    await program.until('it follows', isRead('news:*'));
    let n = 0;
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 25; i++) {
        n += 1;
        await publish(app.url, `news:rag/${n % 3}`, { headline: `Number ${n}`, body: `word${n} and more` });
        if (i === 10 && round % 2 === 0) program.kill();
        if (i === 10 && round % 2 === 1) cut();
      }
      if (round % 2 === 1) mend();
      else program = follow();
    }
    const count = () =>
      execFileSync(
        PYTHON,
        [
          '-c',
          'import sqlite3; print(*[row[0] for row in sqlite3.connect("index.db").execute("SELECT text FROM document WHERE topic LIKE \'news:rag/%\' ORDER BY rowid")], sep="\\n")',
        ],
        { cwd: dir, encoding: 'utf8' },
      )
        .split('\n')
        .filter((line) => line.startsWith('Number '));
    await until('the index is complete', () => count().length >= n, {
      withinMs: 20_000,
      instead: () => [count().length, program.errors],
    });
    expect(count()).to.deep.equal(Array.from({ length: n }, (_, i) => `Number ${i + 1}`));
    const found = execFileSync(PYTHON, ['news_index.py', 'search', 'index.db', 'word77'], {
      cwd: dir,
      encoding: 'utf8',
    });
    expect(JSON.parse(found)).to.deep.include({ topic: 'news:rag/2', text: 'Number 77\nword77 and more' });
  });

  it('demo_streaming_api.py tours the API to its end', async function () {
    needs(this, 'python3-socketio', PYTHON, '-c', 'import socketio, websocket');
    const program = run(PYTHON, join(DOCS, 'demo_streaming_api.py'));
    await program.until('it ends', () => program.ended !== undefined);
    expect(program.errors).to.equal('');
    expect(program.ended).to.equal(0);
    expect(program.lines.at(-1)).to.equal('Done.');
  });
});
