/** The servers that take commands: one, or in a cluster several, each with its own slots. */
import type { Logger } from '../logger.js';
import { ask, RedisConnection } from './connection.js';
import { addressOf, type RedisServer, type RedisTarget } from './target.js';

/** Time limit for a server that is asked where the master is, ms. */
const ASK_MS = 1_000;

export interface Masters {
  readonly all: readonly RedisConnection[];
  /** The connection for commands on `key`, or for commands without a key; undefined if none is known. */
  of(key: string | undefined): RedisConnection | undefined;
  /** The connection to a server, given as `host:port`. */
  at(address: string): RedisConnection | undefined;
  /** A server to subscribe to for announcements. @throws Error if no server is known */
  findPublisher(): Promise<RedisServer>;
  /** Whether announcements can still be received from that server. */
  isPublisher(server: RedisServer): boolean;
  /** Resolves when every master is connected. */
  connect(): Promise<void>;
  /** Finds out which servers are masters now, and disconnects from those that no longer are. */
  refresh(): Promise<void>;
  close(): void;
}

/** A single master, at the address that `find` returns. */
export class OneMaster implements Masters {
  readonly all: readonly RedisConnection[];
  readonly #connection: RedisConnection;
  readonly #find: () => Promise<RedisServer>;

  constructor(target: RedisTarget, logger: Logger, onChange: () => void) {
    const [first] = target.servers;
    this.#find = target.kind === 'sentinel' ? () => askSentinels(target) : async () => first!;
    this.#connection = new RedisConnection({
      name: 'commands',
      credentials: target,
      find: this.#find,
      logger,
    });
    this.#connection.on('up', onChange).on('down', onChange);
    this.all = [this.#connection];
  }

  of(): RedisConnection {
    return this.#connection;
  }

  at(): undefined {
    return undefined;
  }

  findPublisher(): Promise<RedisServer> {
    return this.#find();
  }

  /** It must be the server that commands go to; until that one is known, any server is accepted. */
  isPublisher(server: RedisServer): boolean {
    const master = this.#connection.server;
    return master === undefined || addressOf(master) === addressOf(server);
  }

  connect(): Promise<void> {
    return this.#connection.connect();
  }

  async refresh(): Promise<void> {
    const { server } = this.#connection;
    if (server !== undefined && addressOf(await this.#find()) !== addressOf(server)) this.#connection.renew();
  }

  close(): void {
    this.#connection.close();
  }
}

/**
 * The master that the first answering Sentinel names, if that server confirms it: the Sentinel may not have heard of a
 * failover yet.
 */
async function askSentinels(target: RedisTarget): Promise<RedisServer> {
  const credentials = {
    tls: target.tls,
    database: 0,
    username: target.sentinelUsername,
    password: target.sentinelPassword,
  };
  let failure: unknown;
  for (const sentinel of target.servers) {
    try {
      const command = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', target.master];
      const reply = await ask(sentinel, credentials, command, ASK_MS);
      if (!Array.isArray(reply))
        throw new Error(`the Sentinel does not know a master named "${target.master}"`);
      const server = { host: String(reply[0]), port: Number(reply[1]) };
      const role = await ask(server, target, ['ROLE'], ASK_MS);
      if (!Array.isArray(role) || String(role[0]) !== 'master')
        throw new Error(`${addressOf(server)} is not a master`);
      return server;
    } catch (error) {
      failure = error;
    }
  }
  throw new Error(`no Sentinel named a master that answers: ${String(failure)}`, { cause: failure });
}
