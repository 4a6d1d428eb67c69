import { type ChildProcess, spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { until } from '../support/wait.js';

const SERVER = new URL('../../server/', import.meta.url);

/** A process whose log is kept. */
class Program {
  readonly exited: Promise<number | string | null>;
  log = '';
  readonly #child: ChildProcess;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve(code ?? signal));
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async says(text: string): Promise<void> {
    await until(`it says "${text}"`, () => this.log.includes(text), { instead: () => this.log });
  }
}

describe('A program that is told to stop', () => {
  let program: Program;

  afterEach(() => program?.kill('SIGKILL'));

  /** A program that does not end by itself. */
  function stuck(deadlineMs: number): Program {
    const module = (path: string) => JSON.stringify(new URL(path, SERVER).href);
    return new Program([
      '--input-type=module',
      '-e',
      `import { stopSignal } from ${module('stop-signal.js')};
       import { createLogger } from ${module('logger.js')};
       const logger = createLogger('info', 'n');
       stopSignal(logger, ${deadlineMs}).addEventListener('abort', () => logger.info('it hangs'));
       setInterval(() => undefined, 1000);
       logger.info('it runs');`,
    ]);
  }

  it('is ended by a second signal, and says so', async () => {
    program = stuck(600_000);
    await program.says('it runs');
    program.kill('SIGTERM');
    await program.says('it hangs');
    program.kill('SIGINT');
    expect(await program.exited).to.equal(1);
    expect(program.log).to.match(/"signal":"SIGINT".*a second signal came before it had stopped/);
  });

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    it(`is asked to stop by ${signal}`, async () => {
      program = stuck(600_000);
      await program.says('it runs');
      program.kill(signal);
      await program.says('it hangs');
      expect(program.log).to.match(new RegExp(`"signal":"${signal}".*process: stopping`));
    });
  }

  it('is ended where it does not stop in time, and says so', async () => {
    program = stuck(50);
    await program.says('it runs');
    program.kill('SIGTERM');
    expect(await program.exited).to.equal(1);
    expect(program.log).to.include('it did not stop in time and is ended');
  });

  describe('before it has started', () => {
    let silent: Server;
    let redisUrl: string;
    let asked: number;

    before(async () => {
      // A Redis that takes connections and says nothing.
      silent = createServer((socket) => {
        asked += 1;
        socket.on('error', () => socket.destroy()).resume();
      });
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      redisUrl = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    });

    after(() => new Promise((resolve) => silent.close(resolve)));

    beforeEach(() => {
      asked = 0;
    });

    for (const [name, path, env] of [
      ['a node', 'main.js', { PORT: '0', FEEDS: 'off' }],
      [
        'a connector',
        'connectors/run.js',
        { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', STATUS_PORT: '0' },
      ],
    ] as const) {
      it(`stops at once and in order: ${name}`, async () => {
        const args = [fileURLToPath(new URL(path, SERVER)), ...(path === 'main.js' ? [] : ['outbox'])];
        program = new Program(args, { ...env, REDIS_URL: redisUrl, LOG_LEVEL: 'info' });
        await until('it waits for Redis', () => asked > 0, { withinMs: 20_000 });
        program.kill('SIGTERM');
        expect(await program.exited).to.equal(0);
        expect(program.log).to.include('process: stopping').and.not.include('could not');
      });
    }
  });
});
