/** Results as JSON files, with the machine, versions and commit that they were measured on. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

/** `bench/results/` of the project, relative to the compiled file. */
export const RESULTS = fileURLToPath(new URL('../../../bench/results/', import.meta.url));

/** The circumstances of a result. */
export interface Circumstances {
  readonly at: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
}

export interface Result<T> {
  readonly circumstances: Circumstances;
  readonly result: T;
}

/** Writes one bench's result as `<name>.json`. */
export function saveResult<T>(name: string, result: T, dir = RESULTS): void {
  mkdirSync(dir, { recursive: true });
  const content: Result<T> = { circumstances: circumstances(), result };
  writeFileSync(`${dir}${name}.json`, `${JSON.stringify(content, null, 2)}\n`);
}

/** @returns undefined if the bench has not been run. */
export function loadResult<T>(name: string, dir = RESULTS): Result<T> | undefined {
  try {
    return JSON.parse(readFileSync(`${dir}${name}.json`, 'utf8')) as Result<T>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function circumstances(): Circumstances {
  const [cpu] = cpus();
  const packages = ['socket.io', '@socket.io/redis-adapter', 'ws', 'redis'];
  const version = (name: string) =>
    JSON.parse(
      readFileSync(
        fileURLToPath(new URL(`../../../node_modules/${name}/package.json`, import.meta.url)),
        'utf8',
      ),
    ).version as string;
  return {
    at: new Date().toISOString().slice(0, 16),
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit: output('git', ['rev-parse', '--short', 'HEAD']),
    versions: {
      ...Object.fromEntries(packages.map((name) => [name, version(name)])),
      'redis-server': /v=(\S+)/.exec(output('redis-server', ['--version']))?.[1] ?? '',
      'nats-server': output('nats-server', ['--version']).replace(/^.*v/, ''),
      nginx: output('nginx', ['-v']).replace(/^.*\//, ''),
    },
  };
}

/** The first line that a program writes, or '' if it is not installed. */
function output(program: string, args: string[]): string {
  try {
    // nginx writes its version to standard error.
    const text = execFileSync('sh', ['-c', `${program} ${args.join(' ')} 2>&1`], { encoding: 'utf8' });
    return text.split('\n', 1)[0]!.trim();
  } catch {
    return '';
  }
}
