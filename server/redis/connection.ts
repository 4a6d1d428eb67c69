/**
 * One connection to Redis. It looks up its server before each attempt, so it follows a failover.
 *
 * Three defaults of the library are changed here: a command timeout of 5 s, which rejects promises that the Socket.IO
 * adapter never awaits; an unbounded queue of commands while Redis is away; and `isReady`, which stays true while a
 * stopped Redis answers nothing. The library's own clients for Sentinel and Cluster were rejected: the first resends a
 * command whose outcome is unknown, which would append messages twice, and neither reports when its subscriptions were
 * interrupted.
 */
import { EventEmitter } from 'node:events';
import { createClient } from '@redis/client';
import type { Logger } from '../logger.js';
import { Backoff } from '../time/backoff.js';
import { withDeadline } from './deadline.js';
import { addressOf, type RedisServer, type RedisTarget } from './target.js';

const CONNECT_TIMEOUT_MS = 2_000;
const PROBE_DEADLINE_MS = 2_000;
/** Shorter than elsewhere: every stream of the server waits for the connection. */
const RECONNECT_MAX_MS = 1_000;

/** A client of the library, connected to one server. */
export type Client = ReturnType<typeof makeClient>;

/** What is needed to log in to a server. */
export type RedisCredentials = Pick<RedisTarget, 'tls' | 'username' | 'password' | 'database'>;

function makeClient({ host, port }: RedisServer, { tls, username, password, database }: RedisCredentials) {
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
  /** Names the connection in the log. */
  readonly name: string;
  readonly credentials: RedisCredentials;
  /** Where to connect now. @throws Error if that is currently unknown */
  readonly find: () => Promise<RedisServer>;
  /** Prepares a connected client before anything else uses it. */
  readonly prepare?: (client: Client) => Promise<void>;
  readonly logger: Logger;
}

interface ConnectionEvents {
  /** Commands are being answered, for the first time or again. */
  up: [];
  /** The connection is gone, or a probe was not answered. */
  down: [];
}

export class RedisConnection extends EventEmitter<ConnectionEvents> {
  readonly #options: ConnectionOptions;
  #client: Client | undefined;
  #server: RedisServer | undefined;
  #answering = false;
  readonly #closing = new AbortController();
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

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Number of attempts to reconnect so far. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Identifies the present connection: different after each reconnect; undefined while the connection is down. */
  get life(): string | undefined {
    return this.up ? `${addressOf(this.#server!)} ${this.#lives}` : undefined;
  }

  /** The server that this is connected to. */
  get server(): RedisServer | undefined {
    return this.#client && this.#server;
  }

  /** Connects, and reconnects until closed. Resolves after the first successful connection. */
  connect(): Promise<void> {
    const connected = new Promise<void>((resolve) => this.once('up', resolve));
    void this.#keep();
    return connected;
  }

  /** Resolves when commands are answered, or when `signal` aborts. */
  whenUp(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.up || signal.aborted) return resolve();
      const done = () => {
        this.off('up', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.once('up', done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** Sends a command. @throws Error without a connection; ErrorReply if Redis itself refuses it. */
  async send(args: readonly (string | Buffer)[]): Promise<unknown> {
    if (this.#client === undefined) throw new Error('not connected');
    return this.#client.sendCommand(args);
  }

  /** Resolves when everything sent so far has been answered. @throws Error without a connection */
  async ping(): Promise<void> {
    if (this.#client === undefined) throw new Error('not connected');
    await this.#client.ping();
  }

  /** Sends a command after an `ASK` reply: the server executes it although the key is being moved between masters. */
  async sendAsking(args: readonly string[]): Promise<unknown> {
    const client = this.#client;
    if (client === undefined) throw new Error('not connected');
    const [, reply] = await Promise.all([client.sendCommand(['ASKING']), client.sendCommand(args)]);
    return reply;
  }

  /** Drops the present connection, if there is one, and looks up the server again. */
  renew(): void {
    this.#renewed?.();
  }

  /** Checks that the server answers: a stopped process keeps its connections open. */
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
    this.#closing.abort();
    this.#answering = false;
    this.#opening?.destroy();
    this.#renewed?.();
  }

  async #keep(): Promise<void> {
    const backoff = new Backoff({ maxMs: RECONNECT_MAX_MS });
    while (!this.#closed) {
      try {
        await this.#live();
        backoff.reset();
      } catch (error) {
        if (!this.#closed) this.#warn(error);
      }
      if (this.#closed) return;
      this.#attempts += 1;
      await backoff.wait(this.#closing.signal);
    }
  }

  /** Connects, and resolves when the connection ends. @throws Error if it cannot connect */
  async #live(): Promise<void> {
    const { find, credentials, prepare } = this.#options;
    const server = await find();
    if (this.#closed) return;
    const client = makeClient(server, credentials);
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

/** Sends one command to one server over a temporary connection. @throws Error if there is no answer in time. */
export async function ask(
  server: RedisServer,
  credentials: RedisCredentials,
  args: readonly string[],
  withinMs: number,
): Promise<unknown> {
  const client = makeClient(server, credentials);
  // Every failure also rejects the promise that is awaited below.
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
