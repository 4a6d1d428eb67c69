/**
 * `npm test` and its relatives: runs a layer of specs, several files at a time, each file in a process of its own.
 *
 *     node dist/spec/runner/run.js unit|quick|full [--rest] [--jobs N] [--reverse] [--each]
 *     node dist/spec/runner/run.js quick spec/hub/hub.spec.ts …   (only these, as Mocha prints them; its options pass)
 *
 * `--rest` leaves out of a full run what a quick one has run, `--reverse` turns the order round, `--each` gives the
 * files of the unit layer a process of their own, too.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { installTools } from './install.js';
import { type Selection, type SpecFile, selected } from './layers.js';
import { type Job, type Outcome, runJobs, seconds, specJob, UNIT_GIVEN_UP_AFTER_MS } from './run-files.js';

/** Specs wait more than they compute. */
const JOBS = availableParallelism() + 1;
const SLOWEST = 10;

interface Options {
  readonly selection: Selection;
  readonly jobs: number;
  readonly reverse: boolean;
  readonly each: boolean;
}

function print(text: string): void {
  process.stdout.write(text);
}

/**
 * The jobs of some files: those of the unit layer share processes, since starting one takes longer than most of them.
 */
function jobsOf(files: readonly SpecFile[], { each, jobs, reverse }: Options): Job[] {
  const ordered = reverse ? [...files].reverse() : files;
  const unit = ordered.filter(({ layer }) => layer === 'unit' && !each);
  const others = ordered.filter(({ layer }) => layer !== 'unit' || each).map(({ path }) => specJob([path]));
  const shares = Array.from({ length: Math.min(jobs, unit.length) }, () => [] as string[]);
  for (const [i, { path }] of unit.entries()) shares[i % shares.length]!.push(path);
  const shared = shares.map((share) => specJob(share, UNIT_GIVEN_UP_AFTER_MS));
  return reverse ? [...shared, ...others] : [...others, ...shared];
}

/** What a full run does beyond specs, where the package has the script. */
function commandsOf(selection: Selection): Job[] {
  if (selection !== 'full' && selection !== 'rest') return [];
  const { scripts } = createRequire(import.meta.url)('../../../package.json') as {
    scripts: Record<string, string>;
  };
  return ['audit:own', 'pack:check', 'verify:compose']
    .filter((script) => script in scripts)
    .map((script) => ({ name: `npm run ${script}`, files: [], command: ['npm', 'run', '--silent', script] }));
}

async function runLayer(options: Options): Promise<number> {
  const started = performance.now();
  const { selection, jobs } = options;
  if (selection !== 'unit' && !(await installTools(selection === 'quick' ? 'quick' : 'full'))) return 1;
  const size = selection === 'full' || selection === 'rest' ? 'full' : 'quick';
  process.env.SPEC_SIZE ??= size;
  const files = selected(selection);
  const outcome: Outcome = { results: [], failures: [], reasons: new Set() };
  print(`${files.length} spec files, ${jobs} at a time\n\n`);
  await runJobs(
    jobsOf(
      files.filter(({ alone }) => !alone),
      options,
    ),
    jobs,
    outcome,
    print,
  );
  // What builds, packs or measures has the machine for itself.
  await runJobs(commandsOf(selection), 1, outcome, print);
  await runJobs(
    jobsOf(
      files.filter(({ alone }) => alone),
      options,
    ),
    1,
    outcome,
    print,
  );
  return summary(outcome, performance.now() - started);
}

/** @returns the exit code */
function summary({ results, failures, reasons }: Outcome, ms: number): number {
  const sum = (of: (result: Outcome['results'][number]) => number) =>
    results.reduce((total, result) => total + of(result), 0);
  print('\nslowest files\n');
  for (const { file, ms: took } of [...results].sort((a, b) => b.ms - a.ms).slice(0, SLOWEST)) {
    print(`${seconds(took)}  ${file}\n`);
  }
  const skipped = sum((result) => result.skipped.length);
  if (skipped > 0) {
    print(`\nskipped\n`);
    for (const { file, skipped: titles } of results) {
      for (const title of titles) print(`  ${file}: ${title}\n`);
    }
  }
  for (const reason of reasons) print(`  ${reason}\n`);
  if (failures.length > 0) {
    print('\nfailed (with the reason further up)\n');
    for (const { file, title } of failures) print(`  ${file}: ${title}\n`);
  }
  const passed = sum((result) => result.passed);
  print(`\n${passed} passed, ${failures.length} failed, ${skipped} skipped in ${seconds(ms).trim()}\n`);
  return failures.length === 0 ? 0 : 1;
}

/** Named files run in one process, and Mocha prints them. */
function runNamed(args: readonly string[]): number {
  const compiled = args.map((arg) =>
    arg.replace(/^(?:\.\/)?(?:dist\/)?(spec\/.*\.spec)\.[jt]s$/, 'dist/$1.js'),
  );
  const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
  const { status } = spawnSync(process.execPath, [mocha, ...compiled], { stdio: 'inherit' });
  return status ?? 1;
}

async function main([selection, ...args]: readonly string[]): Promise<number> {
  if (selection !== 'unit' && selection !== 'quick' && selection !== 'full') {
    print(
      'usage: run.js unit|quick|full [--rest] [--jobs N] [--reverse] [--each] [spec files, options of Mocha]\n',
    );
    return 2;
  }
  if (args.some((arg) => /\.spec\.[jt]s$/.test(arg))) return runNamed(args);
  const jobs = Number(args[args.indexOf('--jobs') + 1]);
  return runLayer({
    selection: selection === 'full' && args.includes('--rest') ? 'rest' : selection,
    jobs: args.includes('--jobs') && jobs > 0 ? jobs : JOBS,
    reverse: args.includes('--reverse'),
    each: args.includes('--each'),
  });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
process.exit(await main(process.argv.slice(2)));
