/**
 * `npm run test:dates`: the quick run on other days, so that no spec depends on the date. All programs that specs start
 * see the same false clock, which libfaketime gives them; the clock that measures durations stays true. Linux only.
 *
 *     node dist/spec/runner/dates.js [moment …] [-- options of run.js, or files]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const RUN = fileURLToPath(new URL('run.js', import.meta.url));
const DAY_S = 86_400;

interface Moment {
  /** Seconds from now. */
  readonly offsetS: (nowMs: number) => number;
  readonly zone?: string;
}

const at = (iso: string) => (nowMs: number) => Math.round((Date.parse(iso) - nowMs) / 1000);

const MOMENTS: Readonly<Record<string, Moment>> = {
  tomorrow: { offsetS: () => DAY_S },
  'in-40-days': { offsetS: () => 40 * DAY_S },
  'leap-day': { offsetS: at('2028-02-29T12:00:00Z') },
  'year-end': { offsetS: at('2027-12-31T23:59:00Z') },
  // The clock goes forward at 01:00 UTC, in the middle of the run.
  'summer-time': { offsetS: at('2027-03-28T00:59:00Z'), zone: 'Europe/Berlin' },
};

function main(args: readonly string[]): number {
  const split = args.includes('--') ? args.indexOf('--') : args.length;
  const wanted = args.slice(0, split);
  const passed = args.slice(split + 1);
  const unknown = wanted.filter((name) => !(name in MOMENTS));
  if (unknown.length > 0) {
    process.stderr.write(`There is no ${unknown.join(', ')}, but ${Object.keys(MOMENTS).join(', ')}.\n`);
    return 2;
  }
  const library = faketimeLibrary();
  if (library === undefined) {
    process.stderr.write('SKIPPED: libfaketime is not installed (Debian: apt-get install faketime)\n');
    return 0;
  }
  const failed: string[] = [];
  for (const name of wanted.length > 0 ? wanted : Object.keys(MOMENTS)) {
    const { offsetS, zone } = MOMENTS[name]!;
    const seconds = offsetS(Date.now());
    process.stdout.write(`\n=== ${name}: ${new Date(Date.now() + seconds * 1000).toString()}\n`);
    const env = {
      ...process.env,
      // Redis brings an allocator that asks for the time before the library can tell: the C library's goes first.
      LD_PRELOAD: `${library}:libc.so.6`,
      FAKETIME: `${seconds < 0 ? '' : '+'}${seconds}`,
      DONT_FAKE_MONOTONIC: '1',
      ...(zone === undefined ? {} : { TZ: zone }),
    };
    const { status } = spawnSync(process.execPath, [RUN, 'quick', ...passed], { stdio: 'inherit', env });
    if (status !== 0) failed.push(name);
  }
  process.stdout.write(
    `\n${failed.length === 0 ? 'No spec depends on the date' : `FAILED: ${failed.join(', ')}`}\n`,
  );
  return failed.length === 0 ? 0 : 1;
}

function faketimeLibrary(): string | undefined {
  const folders = existsSync('/usr/lib') ? readdirSync('/usr/lib').map((name) => `/usr/lib/${name}`) : [];
  return folders
    .map((folder) => `${folder}/faketime/libfaketime.so.1`)
    .find((library) => existsSync(library));
}

process.exit(main(process.argv.slice(2)));
