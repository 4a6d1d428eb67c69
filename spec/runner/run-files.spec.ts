import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Job, type Outcome, runJobs, specJob } from './run-files.js';

const PASSES = `describe('Well', () => { it('passes', () => undefined); });`;

describe('A process that several spec files share', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-runner-'));
    mkdirSync(join(dir, 'dist/spec'), { recursive: true });
    writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** Runs planted files in one process, in this order. */
  async function run(
    planted: Readonly<Record<string, string>>,
    limits: Pick<Job, 'givenUpAfterMs' | 'endsWithinMs'> = {},
  ): Promise<{ outcome: Outcome; printed: string }> {
    const files = Object.keys(planted);
    const { command, ...job } = specJob(files);
    const runner = command.slice(0, -files.length);
    const compiled = files.map((file) => join(dir, 'dist/spec', file.replace(/\.ts$/, '.js')));
    for (const [i, text] of Object.values(planted).entries()) writeFileSync(compiled[i]!, text);
    const outcome: Outcome = { results: [], failures: [], reasons: new Set() };
    let printed = '';
    await runJobs([{ ...job, ...limits, command: [...runner, ...compiled] }], 1, outcome, (text) => {
      printed += text;
    });
    return { outcome, printed };
  }

  const ENDINGS = [
    ['ends in the middle of a spec', 'process.exit(7);', /^Bad breaks: the process ended with 7$/],
    ['is killed in the middle of a spec', "process.kill(process.pid, 'SIGKILL');", /ended with SIGKILL$/],
  ] as const;
  for (const [what, line, title] of ENDINGS) {
    it(`and ${what} is charged to that spec of that file, with those that were not run`, async () => {
      const { outcome, printed } = await run({
        'first.spec.ts': PASSES,
        'bad.spec.ts': `describe('Bad', () => { it('breaks', () => { ${line} }); });`,
        'last.spec.ts': PASSES,
      });
      expect(outcome.results.map(({ file, passed }) => [file, passed])).to.deep.equal([['first.spec.ts', 1]]);
      expect(outcome.failures).to.have.length(1);
      const { file, title: told, error } = outcome.failures[0]!;
      expect(file).to.equal('bad.spec.ts');
      expect(told).to.match(title);
      expect(error).to.match(/not run for that reason:\n {2}last\.spec\.ts$/);
      expect(printed).to.contain('FAILED  bad.spec.ts: Bad breaks');
    });
  }

  it('and is blocked by a spec is given up when nothing has moved for its time, and charged to that spec', async () => {
    const { outcome } = await run(
      {
        'first.spec.ts': PASSES,
        'bad.spec.ts': `describe('Bad', () => { it('hangs', () => { for (;;); }); });`,
      },
      { givenUpAfterMs: 10_000 },
    );
    expect(outcome.results.map(({ file }) => file)).to.deep.equal(['first.spec.ts']);
    expect(outcome.failures.map(({ file, title }) => [file, title])).to.deep.equal([
      ['bad.spec.ts', 'Bad hangs: hung: nothing moved for 10.0 s'],
    ]);
  });

  it('and cannot load a file is charged to that file', async () => {
    const { outcome } = await run({
      'first.spec.ts': PASSES,
      'bad.spec.ts': "import './nothing-here.js';",
    });
    const [{ file, title, error } = expect.fail('nothing failed')] = outcome.failures;
    expect(file).to.equal('bad.spec.ts');
    expect(title).to.equal('while it was loaded: the process ended with 1');
    expect(error).to.contain('nothing-here.js');
  });

  it('is charged to a hook where that breaks it', async () => {
    const { outcome } = await run({
      'bad.spec.ts': `describe('Bad', () => { before('set-up', () => process.exit(3)); it('waits', () => undefined); });`,
    });
    expect(outcome.failures.map(({ file, title }) => [file, title])).to.deep.equal([
      ['bad.spec.ts', 'Bad "before all" hook: set-up for "waits": the process ended with 3'],
    ]);
  });

  const left = (how: string) => `import { spawn } from 'node:child_process';
    describe('Bad', () => { it('leaves a child', () => {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit', detached: true });
      console.log('left ' + child.pid);
      ${how}
    }); });`;
  for (const [what, how, title] of [
    ['ends', 'child.unref();', /^leaves a process that holds its output$/],
    ['is ended', 'process.exit(0);', /^Bad leaves a child: the process ended with 0$/],
  ] as const) {
    it(`and ${what} before a process that a spec has left is not waited for without end`, async () => {
      const { outcome, printed } = await run({ 'bad.spec.ts': left(how) }, { endsWithinMs: 2_000 });
      const [, pid = expect.fail(printed)] = /left (\d+)/.exec(printed) ?? [];
      process.kill(Number(pid), 'SIGKILL');
      expect(outcome.failures).to.have.length(1);
      expect(outcome.failures[0]!.title).to.match(title);
    });
  }

  const LATE = 'Promise.reject(new Error("too late"))';
  for (const [what, text, title] of [
    [
      'a hook at the end that fails',
      "after('tidy', () => { throw new Error('untidy'); });",
      /"after all" hook: tidy/,
    ],
    [
      'a rejection that nobody handles during a spec',
      `it('rejects', (done) => { ${LATE}; setTimeout(done, 1_000); });`,
      /^Bad rejects$/,
    ],
    ['a rejection after the last spec', `process.once('beforeExit', () => ${LATE});`, /^ended with \d$/],
    [
      'an end of the process in a hook',
      "after('tidy', () => process.exit(0));",
      /tidy.*the process ended with 0$/,
    ],
  ] as const) {
    it(`fails for ${what}`, async () => {
      const { outcome } = await run({
        'bad.spec.ts': `describe('Bad', () => { it('passes', () => undefined); ${text} });`,
      });
      expect(outcome.failures.map(({ file }) => file)).to.deep.equal(['bad.spec.ts']);
      expect(outcome.failures[0]!.title).to.match(title);
    });
  }

  it('may write much', async () => {
    const write = "process.stdout.write('x'.repeat(2 ** 20) + '\\nend of it\\n');";
    const { outcome, printed } = await run({
      'loud.spec.ts': `describe('Loud', () => { it('writes', () => { ${write} }); });`,
    });
    expect(outcome.failures).to.deep.equal([]);
    expect(printed).to.include('end of it');
    expect(printed.length).to.be.greaterThan(2 ** 20);
  });
});
