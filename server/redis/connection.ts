/**
 * One connection to Redis that finds its server anew at each attempt, so that it follows a failover.
 *
 * What the library does by default and this changes (DESIGN section 6): a command timeout of 5 s that rejects promises
 * which the Socket.IO adapter never awaits; commands that queue without a bound while Redis is away; and `isReady`,
 * which stays true while a stopped Redis answers nothing. Its own clients for Sentinel and Cluster were rejected: the
 * first sends a command again of which it is unknown whether it was carried out, which would append messages twice, and
 * neither says when its subscriptions were interrupted.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from '@redis/client';
import type { Logger } from '../logger.js';
import { withDeadline } from './deadline.js';
import { addressOf, type RedisServer, type RedisTarget } from './target.js';

const CONNECT_TIMEOUT_MS = 2_000;
const PROBE_DEADLINE_MS = 2_000;
const RECONNECT_MAX_MS = 1_000;

/** A client of the library, connected to one server. */
export type Client = ReturnType<typeof makeClient>;

/** How one gets in at a server. */
export type Access = Pick<RedisTarget, 'tls' | 'username' | 'password' | 'database'>;

function makeClient({ host, port }: RedisServer, { tls, username, password, database }: Access) {
  return createClient({
    RESP: 2,
    disableOfflineQueue: true,
    commandOptions: { timeout: 0 },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database,
    socket: {
      host,
      port,
      ...(tls ? { tls: true as const } : {}),
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      reconnectStrategy: false,
    },
  });
}

export interface ConnectionOptions {
  /** In the log. */
  readonly name: string;
  readonly access: Access;
  /** Where to connect now. @throws Error where that is not known at present */
  readonly find: () => Promise<RedisServer>;
  /** Readies a connected client, before anybody else uses it. */
  readonly prepare?: (client: Client) => Promise<void>;
  readonly logger: Logger;
}

interface ConnectionEvents {
  /** Commands are answered (again). */
  up: [];
  /** The connection is gone, or a probe was not answered. */
  down: [];
}

export class Connection extends EventEmitter<ConnectionEvents> {
  readonly #options: ConnectionOptions;
  #client: Client | undefined;
  #server: RedisServer | undefined;
  #answering = false;
  #closed = false;
  #attempts = 0;
  #lives = 0;
  #opening: Client | undefined;
  #renewed: (() => void) | undefined;
  /** Round trip of the last probe, ms. */
  pingMs = 0;

  constructor(options: ConnectionOptions) {
    super();
    this.#options = options;
  }

  /** True while commands are answered. */
  get up(): boolean {
    return this.#client !== undefined && this.#answering;
  }

  /** Attempts to connect again so far. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Another text for each life of the connection; undefined while it is not up. */
  get life(): string | undefined {
    return this.up ? `${addressOf(this.#server!)} ${this.#lives}` : undefined;
  }

  /** The server that it is connected to. */
  get server(): RedisServer | undefined {
    return this.#client && this.#server;
  }

  /** Connects, and keeps connected until it is closed. Resolves when it has connected for the first time. */
  connect(): Promise<void> {
    const connected = new Promise<void>((resolve) => this.once('up', resolve));
    void this.#keep();
    return connected;
  }

  /** Sends a command. @throws Error without a connection; ErrorReply for what Redis itself refuses. */
  async send(args: readonly (string | Buffer)[]): Promise<unknown> {
    if (this.#client === undefined) throw new Error('not connected');
    return this.#client.sendCommand(args);
  }

  /** Resolves when everything that was sent before has been answered. @throws Error without a connection */
  async ping(): Promise<void> {
    if (this.#client === undefined) throw new Error('not connected');
    await this.#client.ping();
  }

  /** Sends a command that the server carries out though it is giving the key away (`ASK`). */
  async sendAsking(args: readonly string[]): Promise<unknown> {
    const client = this.#client;
    if (client === undefined) throw new Error('not connected');
    const [, reply] = await Promise.all([client.sendCommand(['ASKING']), client.sendCommand(args)]);
    return reply;
  }

  /** Lets go of the server, if it is the one connected to, and finds its server again. */
  renew(): void {
    this.#renewed?.();
  }

  /** Asks whether the server answers: a stopped one keeps its connections. */
  async probe(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    const started = performance.now();
    const answers = await withDeadline(client.ping(), PROBE_DEADLINE_MS, 'PING').then(
      () => true,
      () => false,
    );
    if (client !== this.#client || this.#closed) return;
    if (answers) this.pingMs = performance.now() - started;
    this.#setAnswering(answers);
  }

  close(): void {
    this.#closed = true;
    this.#answering = false;
    this.#opening?.destroy();
    this.#renewed?.();
  }

  async #keep(): Promise<void> {
    for (let failures = 0; !this.#closed; ) {
      try {
        await this.#live();
        failures = 0;
      } catch (error) {
        failures += 1;
        if (!this.#closed) this.#warn(error);
      }
      if (this.#closed) return;
      this.#attempts += 1;
      await delay(Math.min(RECONNECT_MAX_MS, 25 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2));
    }
  }

  /** Connects and stays until the connection ends. @throws Error where it cannot be made */
  async #live(): Promise<void> {
    const { find, access, prepare } = this.#options;
    const server = await find();
    if (this.#closed) return;
    const client = makeClient(server, access);
    this.#opening = client;
    const ended = new Promise<void>((resolve) => {
      this.#renewed = resolve;
      client.on('error', (error: Error) => {
        if (!this.#closed && client === this.#client) this.#warn(error);
        resolve();
      });
    });
    try {
      await withDeadline(
        client.connect().then(() => prepare?.(client)),
        2 * CONNECT_TIMEOUT_MS,
        'connect',
      );
      if (this.#closed) return;
      this.#client = client;
      this.#server = server;
      this.#lives += 1;
      this.#setAnswering(true);
      await ended;
    } finally {
      this.#opening = undefined;
      this.#client = undefined;
      this.#renewed = undefined;
      this.#setAnswering(false);
      client.destroy();
    }
  }

  #setAnswering(answering: boolean): void {
    if (this.#answering === answering || this.#closed) return;
    this.#answering = answering;
    this.#options.logger[answering ? 'info' : 'warn'](
      { connection: this.#options.name },
      `redis: ${answering ? 'is answering' : 'is not answering'}`,
    );
    this.emit(answering ? 'up' : 'down');
  }

  #warn(error: unknown): void {
    const { logger, name } = this.#options;
    logger.warn(
      { connection: name, error: error instanceof Error ? error.message : String(error) },
      'redis: connection error',
    );
  }
}

/** Asks one server one thing over a connection of its own. @throws Error where it does not answer in time. */
export async function ask(
  server: RedisServer,
  access: Access,
  args: readonly string[],
  withinMs: number,
): Promise<unknown> {
  const client = makeClient(server, access);
  // Each failure rejects what waits for it.
  client.on('error', () => undefined);
  try {
    return await withDeadline(
      client.connect().then(() => client.sendCommand(args)),
      withinMs,
      args[0]!,
    );
  } finally {
    client.destroy();
  }
}
