/** The masters of a Redis Cluster, each with a connection of its own, and which of them has which slot. */
import type { Logger } from '../logger.js';
import { ask, Connection } from './connection.js';
import { withDeadline } from './deadline.js';
import type { Masters } from './masters.js';
import { SLOTS, slotOf } from './slots.js';
import { addressOf, type RedisServer, type RedisTarget } from './target.js';

const ASK_MS = 1_000;
const QUESTION = ['CLUSTER', 'SLOTS'] as const;

/** Slots `from` to `to` and the server that has them. */
interface Range {
  readonly from: number;
  readonly to: number;
  readonly server: RedisServer;
}

export class ClusterMasters implements Masters {
  readonly #target: RedisTarget;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #byAddress = new Map<string, Connection>();
  #servers: readonly RedisServer[] = [];
  #bySlot: readonly (Connection | undefined)[] = [];
  #refreshing: Promise<void> | undefined;
  #closed = false;

  /** @param onChange called when a master comes or goes, and when slots have moved */
  constructor(target: RedisTarget, logger: Logger, onChange: () => void) {
    this.#target = target;
    this.#logger = logger;
    this.#onChange = onChange;
  }

  get all(): readonly Connection[] {
    return [...this.#byAddress.values()];
  }

  of(key: string | undefined): Connection | undefined {
    if (key !== undefined) return this.#bySlot[slotOf(key)];
    const { all } = this;
    return all.find(({ up }) => up) ?? all[0];
  }

  at(address: string): Connection | undefined {
    return this.#byAddress.get(address);
  }

  /** Any will do: the cluster's nodes pass announcements on to one another. */
  async findPublisher(): Promise<RedisServer> {
    const up = this.#servers.filter((server) => this.at(addressOf(server))?.up === true);
    const candidates = up.length > 0 ? up : this.#servers;
    const server = candidates[Math.floor(Math.random() * candidates.length)];
    if (server === undefined) throw new Error('no master of the cluster is known');
    return server;
  }

  /** Of a master, so that who counts the subscribers at the masters counts all of them. */
  isPublisher(server: RedisServer): boolean {
    return this.#byAddress.has(addressOf(server));
  }

  async connect(): Promise<void> {
    while (!this.#closed && (this.#servers.length === 0 || this.all.some(({ up }) => !up))) {
      await this.refresh().catch((error: Error) =>
        this.#logger.warn({ error: error.message }, 'redis: connection error'),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#learn().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.all) connection.close();
  }

  async #learn(): Promise<void> {
    const ranges = await this.#ask();
    if (this.#closed) return;
    const servers = new Map(ranges.map(({ server }) => [addressOf(server), server]));
    for (const [address, connection] of this.#byAddress) {
      if (servers.has(address)) continue;
      this.#byAddress.delete(address);
      connection.close();
    }
    for (const [address, server] of servers) {
      if (!this.#byAddress.has(address)) this.#byAddress.set(address, this.#connectionTo(server));
    }
    const bySlot = new Array<Connection | undefined>(SLOTS);
    for (const { from, to, server } of ranges) {
      bySlot.fill(this.#byAddress.get(addressOf(server)), from, to + 1);
    }
    const hasChanged = bySlot.some((connection, slot) => connection !== this.#bySlot[slot]);
    this.#servers = [...servers.values()];
    this.#bySlot = bySlot;
    if (hasChanged) this.#onChange();
  }

  /** The answer of whoever answers first in turn: masters that are connected, then whoever else was heard of. */
  async #ask(): Promise<Range[]> {
    let failure: unknown;
    for (const connection of this.all.filter(({ up }) => up)) {
      try {
        const { host } = connection.server!;
        return rangesOf(await withDeadline(connection.send(QUESTION), ASK_MS, QUESTION[0]), host);
      } catch (error) {
        failure = error;
      }
    }
    const others = [
      ...this.#servers.filter((server) => !this.at(addressOf(server))?.up),
      ...this.#target.servers,
    ];
    for (const server of others) {
      try {
        return rangesOf(await ask(server, this.#target, QUESTION, ASK_MS), server.host);
      } catch (error) {
        failure = error;
      }
    }
    throw new Error(`no node of the cluster says who is master: ${String(failure)}`, { cause: failure });
  }

  #connectionTo(server: RedisServer): Connection {
    const connection = new Connection({
      name: `commands ${addressOf(server)}`,
      access: this.#target,
      find: async () => server,
      logger: this.#logger,
    });
    connection.on('up', this.#onChange);
    connection.on('down', () => {
      this.#onChange();
      this.refresh().catch((error: Error) =>
        this.#logger.warn({ error: error.message }, 'redis: the cluster cannot be asked'),
      );
    });
    void connection.connect();
    return connection;
  }
}

/** @param host stands for a host that the answer leaves out: "where you asked" */
function rangesOf(reply: unknown, host: string): Range[] {
  if (!Array.isArray(reply)) throw new Error('CLUSTER SLOTS was not answered with a list');
  const ranges = reply.map((item: unknown) => {
    const [from, to, master] = Array.isArray(item) ? item : [];
    const [name, port] = Array.isArray(master) ? master : [];
    if (typeof from !== 'number' || typeof to !== 'number' || typeof port !== 'number')
      throw new Error('CLUSTER SLOTS was answered with something else');
    return {
      from,
      to,
      server: { host: name === null || name === '' || name === '?' ? host : String(name), port },
    };
  });
  if (ranges.length === 0) throw new Error('the cluster has given no slot to anybody');
  return ranges;
}
