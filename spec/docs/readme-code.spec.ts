/**
 * Runs the code of the README and of the packages' pages as it stands there, in the order of the page. Only the address
 * is another one: the specs have no claim to port 8001. What a block leaves to its reader (`fetchToken`, `url`, `$KEY`)
 * is given to it from outside.
 */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { SPEC_KEY } from '../support/credentials.js';
import { get, publish } from '../support/http.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { codeBlockWith } from './code-blocks.js';
import { Program } from './program.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** What the blocks take for granted: browsers have these, and an application has a token. */
const SURROUNDINGS = `
import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';
import { io } from 'socket.io-client';
Object.assign(globalThis, { EventSource, WebSocket, io });
globalThis.url = process.env.AXIOM_URL;
globalThis.fetchToken = globalThis.currentToken = async () => process.env.AXIOM_TOKEN;
`;
/** Runs a script of package.json without building: `npm run hub -- …` would write into what other specs run. */
const NPM = `#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
const [, , run, name, , ...args] = process.argv;
const script = JSON.parse(readFileSync(${JSON.stringify(join(ROOT, 'package.json'))}, 'utf8')).scripts[name];
if (run !== 'run' || script === undefined) throw new Error('no such script: ' + process.argv.slice(2).join(' '));
const [command, ...own] = script.split(' && ').at(-1).split(' ');
const file = own.map((word) => word.replace(/^dist\\//, ${JSON.stringify(`${ROOT}dist/`)}));
process.exit(spawnSync(command, [...file, ...args], { stdio: 'inherit' }).status ?? 1);
`;

describe('The code of the README', () => {
  const programs: Program[] = [];
  let app: RunningNode;
  let proxy: TcpProxy;
  let dir: string;
  let env: Record<string, string>;

  before(() => {
    // Inside of the project, where Node finds its packages.
    dir = mkdtempSync(join(ROOT, 'dist', 'spec-readme-'));
    writeFileSync(join(dir, 'surroundings.mjs'), SURROUNDINGS);
    writeFileSync(join(dir, 'npm'), NPM, { mode: 0o755 });
    symlinkSync(process.execPath, join(dir, 'node'));
  });

  beforeEach(async () => {
    app = await startTestApp();
    // Cutting it is what a network does.
    proxy = await TcpProxy.start(app.port);
    env = {
      AXIOM_URL: `http://127.0.0.1:${proxy.port}`,
      AXIOM_TOKEN: SPEC_KEY,
      PATH: `${dir}:${process.env.PATH}`,
    };
  });

  afterEach(async () => {
    for (const program of programs.splice(0)) program.kill();
    await proxy.close();
    await app.stop();
  });

  after(() => {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  const start = (command: string, ...args: readonly string[]) => {
    const program = new Program(command, args, { cwd: dir, env });
    programs.push(program);
    return program;
  };
  const here = (text: string) => text.replaceAll('localhost:8001', `127.0.0.1:${proxy.port}`);

  /** Runs a block of JavaScript, with more lines around it where it is a part of a program. */
  const runScript = (document: string, part: string, around: { before?: string; after?: string } = {}) => {
    const file = join(dir, `block-${programs.length}.mjs`);
    const { before = '', after = '' } = around;
    writeFileSync(file, here(`${before}\n${codeBlockWith(document, part)}\n${after}`));
    return start(process.execPath, '--import', join(dir, 'surroundings.mjs'), file);
  };

  /** Runs a block of shell until it ends. @returns its output. @throws Error with what it complained of */
  const runShell = async (text: string) => {
    const program = start('bash', '-c', here(text));
    await program.until('it ends', () => program.ended !== undefined, 60_000);
    expect(program.ended, `${text}\n${program.output}\n${program.errors}`).to.equal(0);
    return program.output;
  };

  const isRead = (topic: string) => () =>
    [...app.hub.subscribers.values()].some(
      ({ closed, settled, readers }) =>
        !closed && settled && [...readers.values()].some((reader) => reader.topics().includes(topic)),
    );

  /** What a client of the page prints of a topic: the number in each message. */
  const numbers = ({ output }: Program, topic: string) =>
    output
      .split('\n')
      .filter((line) => line.includes(topic))
      .flatMap((line) => (/\bn: (\d+)/.exec(line) ?? []).slice(1).map(Number));

  /** Every client of the page has to come back after a cut with nothing missing and nothing twice. */
  const itLosesNothing = async (program: Program, topic: string) => {
    const send = async (from: number, to: number) => {
      for (let n = from; n <= to; n++) await publish(app.url, topic, { n });
    };
    await program.until(`it reads ${topic}`, isRead(topic));
    await send(1, 5);
    await program.until('it shows what was published', () => numbers(program, topic).length >= 5);
    proxy.target = undefined;
    proxy.cut();
    await send(6, 20);
    proxy.target = app.port;
    await program.until('it reads again', () => numbers(program, topic).length >= 20);
    await send(21, 21);
    await program.until('it shows the rest', () => numbers(program, topic).length >= 21);
    expect(numbers(program, topic)).to.deep.equal(Array.from({ length: 21 }, (_, i) => i + 1));
  };

  describe('for the client library', () => {
    it('subscribes, publishes and iterates in its order', async () => {
      const program = runScript('README.md', "from '@axiom-streaming/client'");
      await program.until('it has come to its last line', isRead('news:*'));
      const { body } = await get<{ last: { data: unknown } }>(`${app.url}/api/topics/market:TEST`);
      expect(body.last.data).to.deep.equal({ price: 187.2 });
      await publish(app.url, 'news:a', { headline: 'Up' });
      await program.until('it shows the news', () => program.output.includes("{ headline: 'Up' }"));
      expect(program.errors).to.equal('');
    });

    it('loses nothing over a cut', async () => {
      await itLosesNothing(runScript('README.md', "from '@axiom-streaming/client'"), 'market:AAPL');
    });

    it('of its own page, publishes a greeting and reads it', async () => {
      const program = runScript('packages/client/README.md', "from '@axiom-streaming/client'");
      await program.until('it ends', () => program.ended !== undefined);
      expect(program.output + program.errors).to.equal('1 Hello\n');
    });
  });

  it('for socket.io-client loses nothing over a cut', async () => {
    await itLosesNothing(runScript('README.md', "import { io } from 'socket.io-client'"), 'market:AAPL');
  });

  it('for socket.io-client loses nothing with a library that does not recover by itself', async () => {
    const program = runScript('README.md', "import { io } from 'socket.io-client'", {
      // What older versions, and most of other languages, never keep.
      after: `socket.on('connect', () => { socket._pid = undefined; });`,
    });
    await itLosesNothing(program, 'market:AAPL');
  });

  it('for socket.io-client shows a message once that the library hands over twice', async () => {
    const program = runScript('README.md', "import { io } from 'socket.io-client'", {
      // As it does with what it had kept while it upgraded.
      after: `
        const [show] = socket.listeners('message');
        let older;
        socket.on('message', (...event) => {
          if (older !== undefined) show(...older);
          show(...event);
          older = event;
        });`,
    });
    await itLosesNothing(program, 'market:AAPL');
  });

  it('for EventSource loses nothing over a cut', async () => {
    await itLosesNothing(runScript('README.md', 'new EventSource'), 'market:AAPL');
  });

  it('for a plain WebSocket loses nothing over a cut', async () => {
    await itLosesNothing(runScript('README.md', 'new WebSocket'), 'market:AAPL');
  });

  it('for a shell publishes, watches and reads the history', async () => {
    const [key = '', ...commands] = codeBlockWith('README.md', 'curl -N').replaceAll('|\n', '| ').split('\n');
    expect(key, 'the line that its reader completes').to.match(/^KEY=…/);
    for (const command of commands.filter((line) => line !== '')) {
      const text = `KEY=${SPEC_KEY}\n${command.replace(/^curl /, 'curl -sS --fail-with-body ')}`;
      if (!command.startsWith('curl -N')) {
        expect(await runShell(text), command).to.match(/^[[{].*"(seq|cursor)":/s);
        continue;
      }
      const program = start('bash', '-c', here(text));
      await program.until('it shows a message', () => program.output.includes('"topic":"market:TEST"'));
    }
  });

  it('for conflation prints messages with the number folded into them', async () => {
    const program = runScript('README.md', "conflate: 'latest'", {
      before: `const socket = io('http://localhost:8001');`,
    });
    await program.until('it reads', isRead('market:*'));
    await publish(app.url, 'market:AAPL', { price: 2 });
    await program.until('it shows it', () =>
      program.output.includes('market:AAPL { price: 2 } and 0 before it'),
    );
  });

  it('for tokens brings one at each connection, and a new one before it ends', async () => {
    const program = runScript('README.md', "socket.on('expiring'", {
      after: `
        socket.on('connect', async () => {
          console.log((await socket.emitWithAck('publish', { topic: 'news:token', data: 1 })).ok);
          socket.listeners('expiring')[0]().then(() => console.log('renewed'));
        });`,
    });
    await program.until('it may publish', () => program.output === 'true\nrenewed\n');
  });

  it('in the reference of the protocol loses nothing over a cut', async () => {
    const program = runScript('docs/PROTOCOL.md', "socket.emit('subscribe'", {
      before: `const socket = io('http://localhost:8001');`,
    });
    await itLosesNothing(program, 'market:AAPL');
  });

  it('of the page of the protocol package prints what is written beside it', async () => {
    const document = 'packages/protocol/README.md';
    const said = [...codeBlockWith(document, 'parseTopic(').matchAll(/^console\.log.*\/\/ (.*)$/gm)];
    const program = runScript(document, 'parseTopic(');
    await program.until('it ends', () => program.ended !== undefined);
    const printed = program.output.trimEnd().split('\n');
    expect(program.errors).to.equal('');
    expect(said.map(([, text = ''], i) => text.startsWith(printed[i] ?? '-'))).to.deep.equal([
      true,
      true,
      true,
    ]);
  });

  it('for the command line does what the page says', async () => {
    writeFileSync(join(dir, 'prices.ndjson'), '{"topic":"market:TEST","data":1}\n');
    const block = codeBlockWith('README.md', 'npm run hub -- sub');
    const [exports = '', ...commands] = block.trimEnd().split('\n');
    expect(exports).to.match(/^export AXIOM_URL=/);
    await publish(app.url, 'news:a', { headline: 'Up' });
    // `doctor` looks for half a minute: `spec/cli/doctor.spec.ts` runs it.
    for (const command of commands.filter((line) => !line.includes(' doctor '))) {
      const text = `KEY=${SPEC_KEY}\n${exports}\n${command}`;
      if (!/ -- sub /.test(command)) {
        expect(await runShell(text), command).to.not.equal('');
        continue;
      }
      const program = start('bash', '-c', here(text));
      await program.until('it reads', isRead('market:*'));
      await publish(app.url, 'market:CLI', { price: 3 });
      await program.until('it shows a message', () => program.output.includes('market:CLI'));
    }
  });

  it('for tokens of the command line prints them', async () => {
    const lines = (await runShell(codeBlockWith('README.md', 'npm run token --'))).trim().split('\n');
    expect(
      lines.filter((line) => /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(line)).length,
      lines.join('\n'),
    ).to.equal(2);
  });
});
