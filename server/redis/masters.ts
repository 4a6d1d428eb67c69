/** The servers that take commands: one, or in a cluster one for each range of slots. */
import type { Logger } from '../logger.js';
import { ask, Connection } from './connection.js';
import { addressOf, type RedisServer, type RedisTarget } from './target.js';

/** What a server that is asked for the way may take. */
const ASK_MS = 1_000;

export interface Masters {
  readonly all: readonly Connection[];
  /** The connection that takes commands for a key, or for none; undefined: nobody is known to. */
  of(key: string | undefined): Connection | undefined;
  /** The connection to a server, given as `host:port`. */
  at(address: string): Connection | undefined;
  /** Where announcements are to be had. @throws Error where no server is known */
  findPublisher(): Promise<RedisServer>;
  /** True where announcements may still be had of that server. */
  isPublisher(server: RedisServer): boolean;
  /** Resolves when every master is connected to. */
  connect(): Promise<void>;
  /** Learns anew who is master, and lets go of who is no more. */
  refresh(): Promise<void>;
  close(): void;
}

/** One server, wherever `find` says that it is. */
export class OneMaster implements Masters {
  readonly all: readonly Connection[];
  readonly #connection: Connection;
  readonly #find: () => Promise<RedisServer>;

  constructor(target: RedisTarget, logger: Logger, onChange: () => void) {
    const [first] = target.servers;
    this.#find = target.kind === 'sentinel' ? () => askSentinels(target) : async () => first!;
    this.#connection = new Connection({ name: 'commands', access: target, find: this.#find, logger });
    this.#connection.on('up', onChange).on('down', onChange);
    this.all = [this.#connection];
  }

  of(): Connection {
    return this.#connection;
  }

  at(): undefined {
    return undefined;
  }

  findPublisher(): Promise<RedisServer> {
    return this.#find();
  }

  /** It is the one that commands go to: until that is found, nothing speaks against any. */
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
 * The master by the word of the first Sentinel that answers, if it says so itself: a Sentinel may not have heard of a
 * failover yet.
 */
async function askSentinels(target: RedisTarget): Promise<RedisServer> {
  const access = {
    tls: target.tls,
    database: 0,
    username: target.sentinelUsername,
    password: target.sentinelPassword,
  };
  let failure: unknown;
  for (const sentinel of target.servers) {
    try {
      const command = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', target.master];
      const reply = await ask(sentinel, access, command, ASK_MS);
      if (!Array.isArray(reply)) throw new Error(`the Sentinel knows no master "${target.master}"`);
      const server = { host: String(reply[0]), port: Number(reply[1]) };
      const role = await ask(server, target, ['ROLE'], ASK_MS);
      if (!Array.isArray(role) || String(role[0]) !== 'master')
        throw new Error(`${addressOf(server)} is no master`);
      return server;
    } catch (error) {
      failure = error;
    }
  }
  throw new Error(`no Sentinel knows a master that answers: ${String(failure)}`, { cause: failure });
}
