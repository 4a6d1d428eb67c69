/** The masters of a Redis Cluster: a connection to each, and the slots that each one serves. */
import type { Logger } from '../logger.js';
import { Backoff } from '../time/backoff.js';
import { ask, RedisConnection } from './connection.js';
import { withDeadline } from './deadline.js';
import type { Masters } from './masters.js';
import { SLOTS, slotOf } from './slots.js';
import { addressOf, type RedisServer, type RedisTarget } from './target.js';

const ASK_MS = 1_000;
const QUESTION = ['CLUSTER', 'SLOTS'] as const;

/** Slots `from` to `to`, inclusive, and the server that has them. */
interface Range {
  readonly from: number;
  readonly to: number;
  readonly server: RedisServer;
}

export class ClusterMasters implements Masters {
  readonly #target: RedisTarget;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #byAddress = new Map<string, RedisConnection>();
  #servers: readonly RedisServer[] = [];
  #bySlot: readonly (RedisConnection | undefined)[] = [];
  #refreshing: Promise<void> | undefined;
  readonly #closing = new AbortController();

  /** @param onChange called when a master appears or disappears, and when slots have moved */
  constructor(target: RedisTarget, logger: Logger, onChange: () => void) {
    this.#target = target;
    this.#logger = logger;
    this.#onChange = onChange;
  }

  get all(): readonly RedisConnection[] {
    return [...this.#byAddress.values()];
  }

  of(key: string | undefined): RedisConnection | undefined {
    if (key !== undefined) return this.#bySlot[slotOf(key)];
    const { all } = this;
    return all.find(({ up }) => up) ?? all[0];
  }

  at(address: string): RedisConnection | undefined {
    return this.#byAddress.get(address);
  }

  /** Any master will do: the cluster's nodes forward announcements to one another. */
  async findPublisher(): Promise<RedisServer> {
    const up = this.#servers.filter((server) => this.at(addressOf(server))?.up === true);
    const candidates = up.length > 0 ? up : this.#servers;
    const server = candidates[Math.floor(Math.random() * candidates.length)];
    if (server === undefined) throw new Error('no master of the cluster is known yet');
    return server;
  }

  /** Only a master counts: subscribers are counted by asking the masters, and all of them must be included. */
  isPublisher(server: RedisServer): boolean {
    return this.#byAddress.has(addressOf(server));
  }

  async connect(): Promise<void> {
    const backoff = new Backoff();
    while (!this.#closing.signal.aborted) {
      await this.refresh().catch((error: Error) =>
        this.#logger.warn({ error: error.message }, 'redis: connection error'),
      );
      // A master that does not connect may have been replaced meanwhile, so the cluster is asked again after a while.
      const enough = new AbortController();
      const signal = AbortSignal.any([enough.signal, this.#closing.signal]);
      const up = this.all.map((connection) => connection.whenUp(signal));
      await Promise.race([...(up.length === 0 ? [] : [Promise.all(up)]), backoff.wait(signal)]);
      enough.abort();
      if (up.length > 0 && this.all.every((connection) => connection.up)) return;
    }
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#learn().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  close(): void {
    this.#closing.abort();
    for (const connection of this.all) connection.close();
  }

  async #learn(): Promise<void> {
    const ranges = await this.#ask();
    if (this.#closing.signal.aborted) return;
    const servers = new Map(ranges.map(({ server }) => [addressOf(server), server]));
    for (const [address, connection] of this.#byAddress) {
      if (servers.has(address)) continue;
      this.#byAddress.delete(address);
      connection.close();
    }
    for (const [address, server] of servers) {
      if (!this.#byAddress.has(address)) this.#byAddress.set(address, this.#connectionTo(server));
    }
    const bySlot = new Array<RedisConnection | undefined>(SLOTS);
    for (const { from, to, server } of ranges) {
      bySlot.fill(this.#byAddress.get(addressOf(server)), from, to + 1);
    }
    const hasChanged = bySlot.some((connection, slot) => connection !== this.#bySlot[slot]);
    this.#servers = [...servers.values()];
    this.#bySlot = bySlot;
    if (hasChanged) this.#onChange();
  }

  /** The first answer, asking one server after another: connected masters first, then every other known server. */
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
    throw new Error(`no node of the cluster reports the masters: ${String(failure)}`, { cause: failure });
  }

  #connectionTo(server: RedisServer): RedisConnection {
    const connection = new RedisConnection({
      name: `commands ${addressOf(server)}`,
      credentials: this.#target,
      find: async () => server,
      logger: this.#logger,
    });
    connection.on('up', this.#onChange);
    connection.on('down', () => {
      this.#onChange();
      this.refresh().catch((error: Error) =>
        this.#logger.warn({ error: error.message }, 'redis: cannot read the layout of the cluster'),
      );
    });
    void connection.connect();
    return connection;
  }
}

/** @param host used where the answer leaves the host out, which means "the server that you asked" */
function rangesOf(reply: unknown, host: string): Range[] {
  if (!Array.isArray(reply)) throw new Error('the answer to CLUSTER SLOTS is not a list');
  const ranges = reply.map((item: unknown) => {
    const [from, to, master] = Array.isArray(item) ? item : [];
    const [name, port] = Array.isArray(master) ? master : [];
    if (typeof from !== 'number' || typeof to !== 'number' || typeof port !== 'number')
      throw new Error('the answer to CLUSTER SLOTS has an unexpected form');
    return {
      from,
      to,
      server: { host: name === null || name === '' || name === '?' ? host : String(name), port },
    };
  });
  if (ranges.length === 0) throw new Error('the cluster has not assigned any slots');
  return ranges;
}
