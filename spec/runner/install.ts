/**
 * Installs what specs need and npm does not bring: programs from Debian, and for a full run Airflow from PyPI and Neo4j
 * from Maven Central. Where it may not, or a source is out of reach, it says so, and the specs that need the thing are
 * skipped. Only Redis and NGINX are conditions of every run but the unit layer's. `SPEC_INSTALL=off` installs nothing.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findProgram, MissingProgram } from '../../server/local-cluster/managed-process.js';
import { CHROMIUM_PLACES, FIREFOX_PLACES } from '../support/browsers.js';
import { airflowFolder, NEO4J_POM, neo4jFolder } from '../support/downloads.js';

interface Tool {
  readonly name: string;
  /** Of Debian. */
  readonly packages: readonly string[];
  readonly isThere: () => boolean;
  /** Without it nothing is run. */
  readonly isRequired?: boolean;
  /** Only specs of the full layer want it. */
  readonly isForFull?: boolean;
}

const anyOf = (places: readonly string[]) => () => places.some((place) => existsSync(place));

/** How to install `packages`, for people. */
const BY_HAND = 'On Debian or Ubuntu: sudo apt-get install';

const TOOLS: readonly Tool[] = [
  { name: 'Redis', packages: ['redis-server'], isThere: hasAll('redis-server'), isRequired: true },
  { name: 'NGINX', packages: ['nginx-light'], isThere: hasAll('nginx'), isRequired: true },
  { name: 'PostgreSQL', packages: ['postgresql'], isThere: hasPostgres },
  {
    name: "Python's clients",
    packages: ['python3', 'python3-socketio', 'python3-aiohttp', 'python3-websocket', 'python3-requests'],
    isThere: () => succeeds('/usr/bin/python3', ['-c', 'import socketio, aiohttp, websocket, requests']),
  },
  { name: 'curl', packages: ['curl'], isThere: hasAll('curl') },
  { name: 'Prometheus', packages: ['prometheus'], isThere: hasAll('prometheus', 'promtool') },
  {
    name: 'the exporter of Redis',
    packages: ['prometheus-redis-exporter'],
    isThere: hasAll('prometheus-redis-exporter'),
  },
  { name: 'Chromium', packages: ['chromium'], isThere: anyOf(CHROMIUM_PLACES) },
  { name: 'HAProxy', packages: ['haproxy'], isThere: hasAll('haproxy'), isForFull: true },
  { name: 'Firefox', packages: ['firefox-esr'], isThere: anyOf(FIREFOX_PLACES), isForFull: true },
  {
    name: 'Java and Maven, for Neo4j',
    packages: ['default-jdk-headless', 'maven'],
    isThere: hasAll('java', 'mvn'),
    isForFull: true,
  },
  {
    name: 'Python with venv, for Airflow',
    packages: ['python3-venv'],
    isThere: () => succeeds('python3', ['-c', 'import ensurepip, venv']),
    isForFull: true,
  },
];

/** @returns whether everything is there that is a condition of the run */
export async function installTools(layer: 'quick' | 'full'): Promise<boolean> {
  const missing = () =>
    TOOLS.filter(({ isForFull, isThere }) => (layer === 'full' || !isForFull) && !isThere());
  const wanted = missing();
  if (wanted.length > 0) installFromDebian(wanted.flatMap(({ packages }) => packages));
  const still = missing();
  for (const { name, packages, isRequired } of still) {
    const then = isRequired ? 'Nothing is run without it.' : 'The specs that want it will be SKIPPED.';
    say(`${name} is missing. ${then} ${BY_HAND} ${packages.join(' ')}`);
  }
  if (still.some(({ isRequired }) => isRequired)) return false;
  if (layer === 'full' && process.env.SPEC_INSTALL !== 'off') {
    fetchNeo4j();
    fetchAirflow();
  }
  return true;
}

function installFromDebian(packages: readonly string[]): void {
  if (process.env.SPEC_INSTALL === 'off' || !succeeds('apt-get', ['--version'])) return;
  const isRoot = process.getuid?.() === 0;
  // On one's own machine nobody's password-less sudo is used unasked.
  const mayUseSudo = process.env.CI !== undefined && succeeds('sudo', ['-n', 'true']);
  if (!isRoot && !mayUseSudo) return;
  const prefix = isRoot ? [] : ['sudo', '-n'];
  say(`Installing ${packages.join(' ')} … (SPEC_INSTALL=off installs nothing)`);
  const run = (...command: readonly string[]) => {
    const [program = '', ...args] = [...prefix, ...command];
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    if (status !== 0) say(`${command.slice(0, 2).join(' ')} failed: ${stderr.trim().split('\n').at(-1)}`);
    return status === 0;
  };
  // Nothing that is installed here may start by itself: the specs start their own.
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs =
    !existsSync(policy) && run('sh', '-c', `printf '#!/bin/sh\\nexit 101\\n' >${policy}; chmod +x ${policy}`);
  try {
    run('apt-get', 'update', '-qq');
    const install = [
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      'install',
      '-y',
      '-qq',
      '--no-install-recommends',
    ];
    // One that cannot be had must not keep the others out.
    if (!run(...install, ...packages)) for (const each of packages) run(...install, each);
  } finally {
    if (isOurs) run('rm', '-f', policy);
  }
}

/** About 130 MB of libraries. */
function fetchNeo4j(): void {
  const folder = neo4jFolder();
  if (existsSync(folder) || !hasAll('java', 'mvn')()) return;
  mkdirSync(dirname(folder), { recursive: true });
  const fresh = mkdtempSync(`${folder}.`);
  say(`Fetching Neo4j into ${folder} …`);
  const args = ['-B', '-q', '-f', NEO4J_POM, 'dependency:copy-dependencies', '-DincludeScope=runtime'];
  const { status, stdout } = spawnSync('mvn', [...args, `-DoutputDirectory=${fresh}`], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (status === 0 && !existsSync(folder)) renameSync(fresh, folder);
  else {
    const reason = /^.*ERROR.*$/m.exec(stdout)?.[0] ?? 'Maven did not answer in time';
    say(`Neo4j could not be had, the specs that want it will be SKIPPED: ${reason}`);
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** A virtual environment of about 300 MB. Scripts in it name its path, so it is made where it stays. */
function fetchAirflow(): void {
  const { folder, version, complete } = airflowFolder();
  if (existsSync(complete) || !succeeds('python3', ['-c', 'import ensurepip, venv'])) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  say(`Fetching Airflow ${version} into ${folder} …`);
  const pip = [
    'install',
    '-q',
    '--disable-pip-version-check',
    '--retries',
    '1',
    `apache-airflow==${version}`,
  ];
  for (const [program, ...args] of [
    ['python3', '-m', 'venv', folder],
    [join(folder, 'bin/pip'), ...pip],
    [join(folder, 'bin/airflow'), 'version'],
  ] as const) {
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 400_000 });
    if (status === 0) continue;
    const reason = stderr?.trim().split('\n').at(-1) || `${program} did not answer in time`;
    say(`Airflow could not be had, the spec that wants it will be SKIPPED: ${reason}`);
    rmSync(folder, { recursive: true, force: true });
    return;
  }
  writeFileSync(complete, '');
}

function hasAll(...programs: readonly string[]): () => boolean {
  return () => {
    try {
      for (const program of programs) findProgram(program, program);
      return true;
    } catch (error) {
      if (error instanceof MissingProgram) return false;
      throw error;
    }
  };
}

function hasPostgres(): boolean {
  const debian = '/usr/lib/postgresql';
  return hasAll('postgres', 'initdb')() || (existsSync(debian) && readdirSync(debian).length > 0);
}

function succeeds(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
