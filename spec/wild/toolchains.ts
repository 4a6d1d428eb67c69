/**
 * How a client program of each language is brought to run. Libraries come from their registries into the user's cache,
 * once, and never into package.json. What cannot be had is a {@link Missing}, with the reason.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findProgram } from '../../server/local-cluster/managed-process.js';

/** The client programs, seen from the compiled file. */
const CLIENTS = fileURLToPath(new URL('../../../spec/wild/clients', import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'axiom-streaming-specs', 'wild');
/** Crates are compiled, on a machine that may have other work. */
const PREPARED_WITHIN_MS = 900_000;

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

/** A toolchain or a registry that is not within reach; its message is the reason. */
export class Missing extends Error {}

const run = promisify(execFile);

/** The path of a program. @throws Missing */
export function debianProgram(name: string, debianPackage: string): string {
  try {
    return findProgram(name, debianPackage);
  } catch (error) {
    throw new Missing((error as Error).message);
  }
}

async function step(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
  cwd?: string,
) {
  try {
    // A specification may be started from a machine that has other work; compilers give way to it.
    await run('nice', ['-n', '19', command, ...args], {
      env: { ...process.env, ...env },
      timeout: PREPARED_WITHIN_MS,
      maxBuffer: 2 ** 26,
      ...(cwd === undefined ? {} : { cwd }),
    });
  } catch (error) {
    const {
      stderr = '',
      stdout = '',
      message,
    } = error as { stderr?: string; stdout?: string; message: string };
    const lines = `${stdout}\n${stderr}`.trim().split('\n');
    const told = lines.find((line) => /error|fatal/i.test(line)) ?? lines.at(-1);
    throw new Missing(`${command} ${args[0]} failed: ${told || message}`);
  }
}

/** A folder of the cache that is there whole or not at all. Its name changes with what it is made from. */
async function cached(name: string, made: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(CACHE, `${name}-${createHash('sha256').update(made).digest('hex').slice(0, 10)}`);
  if (existsSync(join(folder, 'complete'))) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  await fill(folder);
  writeFileSync(join(folder, 'complete'), '');
  return folder;
}

/** A program in JavaScript, with one package of npm. `node` is the major version of Node.js; default: this one. */
export async function nodeClient(source: string, spec: string, node?: number): Promise<Command> {
  const folder = await cached(`npm-${spec.replace(/.*\//, '').replace('@', '-')}`, spec, async (to) => {
    writeFileSync(join(to, 'package.json'), '{"private":true}');
    if (spec !== '') await step('npm', ['install', '--no-audit', '--no-fund', '--prefix', to, spec]);
  });
  // Beside the package, so that the program imports it as any other would.
  copyFileSync(join(CLIENTS, 'node', source), join(folder, source));
  const runs = node === undefined ? process.execPath : await otherNode(node);
  return { command: runs, args: [join(folder, source)] };
}

/** Node.js of another major version, as npm has it. */
async function otherNode(major: number): Promise<string> {
  const spec = `node@${major}`;
  const folder = await cached(`node-${major}`, spec, async (to) => {
    writeFileSync(join(to, 'package.json'), '{"private":true}');
    await step('npm', ['install', '--no-audit', '--no-fund', '--prefix', to, spec]);
  });
  return join(folder, 'node_modules', 'node', 'bin', 'node');
}

/** A program in Python, with the packages of `requirements.txt`. */
export async function pythonClient(source: string): Promise<Command> {
  const folder = await pythonFolder(readFileSync(join(CLIENTS, 'python', 'requirements.txt'), 'utf8'));
  return { command: join(folder, 'bin', 'python'), args: ['-u', join(CLIENTS, 'python', source)] };
}

/** A virtual environment with packages, one a line. */
export function pythonFolder(requirements: string): Promise<string> {
  debianProgram('python3', 'python3-venv');
  return cached('python', requirements, async (to) => {
    await step('python3', ['-m', 'venv', to]);
    writeFileSync(join(to, 'requirements.txt'), requirements);
    const pip = ['install', '-q', '--disable-pip-version-check', '--retries', '1'];
    await step(join(to, 'bin', 'pip'), [...pip, '-r', join(to, 'requirements.txt')]);
  });
}

/** A program in Java, with the libraries of `pom.xml`. */
export async function javaClient(source: string): Promise<Command> {
  const java = debianProgram('java', 'default-jdk-headless');
  debianProgram('mvn', 'maven');
  const pom = join(CLIENTS, 'java', 'pom.xml');
  const folder = await cached('java', readFileSync(pom, 'utf8'), (to) =>
    step('mvn', [
      ...['-B', '-q', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime'],
      `-DoutputDirectory=${join(to, 'lib')}`,
    ]),
  );
  // One source file, compiled in memory.
  return { command: java, args: ['-cp', join(folder, 'lib', '*'), join(CLIENTS, 'java', source)] };
}

/** A program in Go: a folder below `clients/go`. */
export async function goClient(name: string): Promise<Command> {
  const go = existsSync('/usr/local/go/bin/go') ? '/usr/local/go/bin/go' : debianProgram('go', 'golang-go');
  const built = join(CACHE, 'go', name);
  mkdirSync(dirname(built), { recursive: true });
  // Go's own cache makes this short where nothing has changed.
  await step(go, ['build', '-o', built, `./${name}`], { GOFLAGS: '-mod=readonly -p=1' }, join(CLIENTS, 'go'));
  return { command: built, args: [] };
}

/** A program in Rust: a binary of `clients/rust`. */
export async function rustClient(name: string): Promise<Command> {
  const home = process.env.CARGO_HOME ?? join(homedir(), '.cargo');
  const cargo = existsSync(join(home, 'bin', 'cargo'))
    ? join(home, 'bin', 'cargo')
    : debianProgram('cargo', 'cargo');
  const manifest = join(CLIENTS, 'rust', 'Cargo.toml');
  const target = join(CACHE, 'rust');
  await step(cargo, ['build', '--locked', '-j', '1', '--manifest-path', manifest], {
    CARGO_TARGET_DIR: target,
  });
  return { command: join(target, 'debug', name), args: [] };
}

/** A shell script that runs curl. */
export function curlClient(source: string): Command {
  debianProgram('curl', 'curl');
  return { command: debianProgram('bash', 'bash'), args: [join(CLIENTS, 'curl', source)] };
}
