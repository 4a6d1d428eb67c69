import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { until } from '../support/wait.js';

const WATCHDOG = new URL('../../server/node/watchdog.js', import.meta.url).href;
const LIMIT_MS = 1_000;

/** Turns ten times a second, and says so; after SIGUSR2 it does what `stall` says. */
const program = (stall: string, limitMs: number) => `
  import { startWatchdog } from ${JSON.stringify(WATCHDOG)};
  import { writeSync } from 'node:fs';
  startWatchdog({ limitMs: ${limitMs}, node: 'n' }, console);
  setInterval(() => console.log('turn'), 100);
  process.on('SIGUSR2', function stall() { ${stall} });
`;

const STALLS = {
  'in JavaScript': 'for (;;) Math.random();',
  'outside JavaScript': 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);',
  // As loggers do: what the pipe does not take is written again.
  'at a standard error that nobody reads': "for (;;) try { writeSync(2, 'x'.repeat(65_536)); } catch {}",
};

class Watched {
  readonly child: ChildProcess;
  turns = 0;
  errors = '';
  ended: unknown;

  constructor(stall: string, { limitMs = LIMIT_MS, args = [] as string[], reads = true } = {}) {
    this.child = spawn(process.execPath, [...args, '--input-type=module', '-e', program(stall, limitMs)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (data) => {
      this.turns += String(data).split('\n').length - 1;
    });
    if (reads) this.child.stderr?.on('data', (data) => (this.errors += String(data)));
    void once(this.child, 'exit').then(([code, signal]) => {
      this.ended = code ?? signal;
    });
  }

  async begun(): Promise<this> {
    await until('it turns', () => this.turns > 0);
    return this;
  }
}

describe('The watchdog of the event loop', () => {
  const processes: Watched[] = [];
  const begin = (...given: ConstructorParameters<typeof Watched>) => {
    const watched = new Watched(...given);
    processes.push(watched);
    return watched.begun();
  };

  afterEach(() => {
    for (const { child } of processes.splice(0)) child.kill('SIGKILL');
  });

  for (const [where, stall] of Object.entries(STALLS)) {
    it(`ends a process that stands still ${where}, with a status of its own`, async () => {
      const reads = !where.includes('nobody reads');
      const watched = await begin(stall, { reads });

      watched.child.kill('SIGUSR2');
      await until('it has ended', () => watched.ended !== undefined);

      expect(watched.ended).to.equal('SIGALRM');
    });
  }

  it('says what the main thread was doing, in one line', async () => {
    const watched = await begin(STALLS['in JavaScript']);

    watched.child.kill('SIGUSR2');
    await until('it has ended', () => watched.ended !== undefined);

    const lines = watched.errors.split('\n').filter((line) => line.includes('watchdog'));
    expect(lines).to.have.length(1);
    const { level, node, msg, stack } = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect({ level, node, msg }).to.deep.equal({
      level: 60,
      node: 'n',
      msg: 'watchdog: the event loop has stood still for 1 s; the process ends itself',
    });
    expect(stack).to.be.an('array');
    expect((stack as string[])[0]).to.match(/^stall \(.*:\d+:\d+\)$/);
  });

  it('spares a process that was suspended for any time and resumed', async () => {
    const stopped = await begin(STALLS['in JavaScript']);
    const clock = await begin(STALLS['in JavaScript']);

    stopped.child.kill('SIGSTOP');
    clock.child.kill('SIGUSR2');
    await until('the limit has passed for another one', () => clock.ended !== undefined);
    const { turns } = stopped;
    stopped.child.kill('SIGCONT');
    await until('it has gone on for longer than the limit', () => stopped.turns > turns + 20);

    expect(stopped.ended).to.equal(undefined);
    expect(stopped.errors).to.equal('');
  });

  it('leaves alone a process that a debugger may hold, and one without a limit', async () => {
    const debugged = await begin(STALLS['in JavaScript'], { args: ['--inspect=127.0.0.1:0'] });
    const unlimited = await begin(STALLS['in JavaScript'], { limitMs: 0 });
    const clock = await begin(STALLS['in JavaScript'], { limitMs: 3 * LIMIT_MS });

    for (const { child } of [debugged, unlimited, clock]) child.kill('SIGUSR2');
    await until('three times the limit has passed for another one', () => clock.ended !== undefined);

    expect([debugged.ended, unlimited.ended]).to.deep.equal([undefined, undefined]);
  });

  it('does not keep a process alive', async () => {
    const source = `import { startWatchdog } from ${JSON.stringify(WATCHDOG)};
      startWatchdog({ limitMs: ${LIMIT_MS}, node: 'n' }, console);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    expect(code).to.equal(0);
  });
});
