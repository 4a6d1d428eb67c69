import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Outcome, runJobs, specJob } from './run-files.js';

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
    givenUpAfterMs?: number,
  ): Promise<{ outcome: Outcome; printed: string }> {
    const files = Object.keys(planted);
    const { command, ...job } = specJob(files, givenUpAfterMs);
    const runner = command.slice(0, -files.length);
    const compiled = files.map((file) => join(dir, 'dist/spec', file.replace(/\.ts$/, '.js')));
    for (const [i, text] of Object.values(planted).entries()) writeFileSync(compiled[i]!, text);
    const outcome: Outcome = { results: [], failures: [], reasons: new Set() };
    let printed = '';
    await runJobs([{ ...job, command: [...runner, ...compiled] }], 1, outcome, (text) => {
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
      10_000,
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
});
