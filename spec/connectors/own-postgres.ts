/** A PostgreSQL of a spec's own: a private cluster in a folder of its own, as a user that is not root. */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';

/** The folder of PostgreSQL's programs, or undefined where it is not installed. */
export function postgresPrograms(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(':'),
    '/opt/homebrew/bin',
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** PostgreSQL refuses to run as root; it then runs as the user that its package made, or as nobody. */
function account(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string, user: string) => Number(execFileSync('id', [flag, user], { stdio: 'pipe' }));
  for (const user of ['postgres', 'nobody']) {
    try {
      return { uid: idOf('-u', user), gid: idOf('-g', user) };
    } catch {
      // The next one.
    }
  }
  throw new Error('PostgreSQL cannot run as root, and there is no other user');
}

export class OwnPostgres {
  readonly url: string;
  readonly process: ManagedProcess;
  readonly #dir: string;
  readonly #clients: pg.Client[] = [];

  private constructor(url: string, process: ManagedProcess, dir: string) {
    this.url = url;
    this.process = process;
    this.#dir = dir;
  }

  /** Starts one with logical replication. @throws Error where PostgreSQL is not installed. */
  static async start(): Promise<OwnPostgres> {
    const programs = postgresPrograms();
    if (programs === undefined) throw new Error('PostgreSQL is not installed');
    const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-postgres-'));
    const user = account();
    if (user !== undefined) chownSync(dir, user.uid, user.gid);
    const data = join(dir, 'data');
    execFileSync(
      join(programs, 'initdb'),
      ['-D', data, '-U', 'app', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
      { ...user, cwd: dir, stdio: 'pipe' },
    );
    const port = await freePorts(1);
    const url = `postgres://app@127.0.0.1:${port}/postgres`;
    const options = {
      port: String(port),
      listen_addresses: '127.0.0.1',
      unix_socket_directories: dir,
      wal_level: 'logical',
      max_connections: '60',
      synchronous_commit: 'on',
      fsync: 'off',
    };
    const process = new ManagedProcess({
      name: 'postgres',
      command: join(programs, 'postgres'),
      args: ['-D', data, ...Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      ...(user === undefined ? {} : { account: user }),
      ready: () => answers(url),
    });
    try {
      await process.start();
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
    return new OwnPostgres(url, process, dir);
  }

  /** Another connection, closed with the rest. */
  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url });
    client.on('error', () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end().catch(() => undefined)));
    await this.process.stop('SIGINT', 5_000);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}
