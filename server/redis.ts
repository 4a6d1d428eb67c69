/**
 * The connections to Redis: one for commands, one that is subscribed. The only file that imports `redis`.
 *
 * What the library does by default and this file changes (DESIGN section 6): a command timeout of 5 s that rejects
 * promises which the Socket.IO adapter never awaits; commands that queue without a bound while Redis is away; and
 * `isReady`, which stays true while a stopped Redis answers nothing. Here a command fails at once without a
 * connection, has a deadline of its own, and a probe on both connections says what is really up.
 */
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { createClient, ErrorReply } from 'redis';
import { HubError } from './errors.js';
import type { Logger } from './logger.js';

const CONNECT_TIMEOUT_MS = 2_000;
const PROBE_EVERY_MS = 1_000;
const PROBE_DEADLINE_MS = 2_000;
const RECONNECT_MAX_MS = 1_000;

/** A Lua script and its digest. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/** Loads a script that lies beside the module, e.g. `loadScript(import.meta.url, 'append.lua')`. */
export function loadScript(moduleUrl: string, file: string): Script {
  return scriptOf(readFileSync(new URL(file, moduleUrl), 'utf8'));
}

/** A script from its text. */
export function scriptOf(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

/** What a script or command answers, before the caller has looked at it. */
export type Reply = string | number | null | Reply[];

type Client = ReturnType<typeof makeClient>;

function makeClient(url: string, offlineQueue: boolean) {
  return createClient({
    url,
    RESP: 2,
    disableOfflineQueue: !offlineQueue,
    commandOptions: { timeout: 0 },
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      reconnectStrategy: (retries) =>
        Math.min(RECONNECT_MAX_MS, 25 * 2 ** Math.min(retries, 6)) * (0.5 + Math.random() / 2),
    },
  });
}

interface RedisLinkEvents {
  /** The subscribed connection is (again) ready, its subscriptions restored. */
  subscribed: [];
  /** The subscribed connection is gone or answers no more. */
  unsubscribed: [];
}

export interface RedisLinkOptions {
  readonly url: string;
  readonly logger: Logger;
}

/** Both connections to one Redis, with what is known of their health. */
export class RedisLink extends EventEmitter<RedisLinkEvents> {
  readonly #commands: Client;
  readonly #subscriber: Client;
  readonly #logger: Logger;
  #probe: NodeJS.Timeout | undefined;
  #commandsAnswer = false;
  #subscriberAnswers = false;
  #closing = false;
  #reconnects = 0;
  /** Round trip of the last probe of the command connection, ms. */
  pingMs = 0;

  constructor({ url, logger }: RedisLinkOptions) {
    super();
    this.#logger = logger;
    this.#commands = makeClient(url, false);
    this.#subscriber = makeClient(url, true);
    for (const [name, client] of [
      ['commands', this.#commands],
      ['subscriber', this.#subscriber],
    ] as const) {
      client.on('error', (error: Error) => {
        if (!this.#closing)
          logger.warn({ connection: name, error: error.message }, 'redis: connection error');
      });
      client.on('reconnecting', () => {
        this.#reconnects += 1;
      });
    }
    // Only the loss of the connection itself ends it here; what a stall means is the probe's to say.
    this.#commands.on('reconnecting', () => this.#setCommands(false));
    this.#subscriber.on('reconnecting', () => this.#setSubscriber(false));
    this.#commands.on('ready', () => this.#setCommands(true));
    this.#subscriber.on('ready', () => this.#setSubscriber(true));
  }

  /** True while Redis answers on both connections. */
  get up(): boolean {
    return this.#commandsAnswer && this.#subscriberAnswers;
  }

  /** True while commands can be sent. */
  get commandsReady(): boolean {
    return this.#commands.isReady && this.#commandsAnswer;
  }

  /** How often either connection had to be made again. */
  get reconnects(): number {
    return this.#reconnects;
  }

  /**
   * Connects both. @throws Error where Redis is not there within a few seconds: a node that has never seen its log
   * has nothing to serve, and whoever starts it should hear so at once.
   */
  async connect(): Promise<void> {
    await withDeadline(
      Promise.all([this.#commands.connect(), this.#subscriber.connect()]),
      5_000,
      'connect',
    ).catch((error: Error) => {
      this.#closing = true;
      this.#commands.destroy();
      this.#subscriber.destroy();
      throw error;
    });
    this.#scheduleProbe();
  }

  /**
   * Runs a script by its digest, and by its text where Redis does not know it (any more).
   *
   * @throws HubError `log_unavailable` without a connection or an answer within `deadlineMs` (default 900).
   */
  async run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    deadlineMs = 900,
  ): Promise<Reply> {
    try {
      return await this.runKnown(script, keys, args, deadlineMs);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return this.runText(script, keys, args, deadlineMs);
    }
  }

  /** Runs a script by its digest. @throws as {@link run}, and what {@link isUnknownScript} tells. */
  runKnown(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    deadlineMs = 900,
  ): Promise<Reply> {
    return this.command(['EVALSHA', script.sha, String(keys.length), ...keys, ...args], deadlineMs);
  }

  /** Runs a script by its text; Redis knows it from then on. @throws as {@link run}. */
  runText(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    deadlineMs = 900,
  ): Promise<Reply> {
    return this.command(['EVAL', script.source, String(keys.length), ...keys, ...args], deadlineMs);
  }

  /** One command. @throws HubError `log_unavailable` as {@link run} does; errors of Redis itself as they are. */
  async command(args: string[], deadlineMs = 900): Promise<Reply> {
    if (!this.commandsReady) throw new HubError('log_unavailable', 'Redis is out of reach');
    try {
      return (await withDeadline(this.#commands.sendCommand(args), deadlineMs, args[0]!)) as Reply;
    } catch (error) {
      // What Redis itself answered, as against a connection that failed.
      if (error instanceof ErrorReply) throw error;
      throw new HubError(
        'log_unavailable',
        'Redis did not answer; it is unknown whether it took the command',
        {
          cause: error,
        },
      );
    }
  }

  /** Resolves when everything that was subscribed before has been confirmed. */
  async subscriptionsLive(): Promise<void> {
    await this.#subscriber.ping();
  }

  /** Hears what is published on a channel, also after a reconnect. */
  async listen(channel: string, listener: (message: string) => void): Promise<void> {
    await this.#subscriber.subscribe(channel, listener);
  }

  /**
   * The two clients as the Socket.IO Redis adapter wants them. It awaits none of its calls, so each is caught here:
   * a rejected promise would otherwise end the process.
   */
  forAdapter(onError: (error: unknown) => void): { pubClient: object; subClient: object } {
    return {
      pubClient: adapterClient(this.#commands, onError),
      subClient: adapterClient(this.#subscriber, onError),
    };
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#probe);
    for (const client of [this.#commands, this.#subscriber]) {
      if (client.isOpen) client.destroy();
    }
  }

  #scheduleProbe(): void {
    this.#probe = setTimeout(() => {
      void this.#runProbe().finally(() => {
        if (!this.#closing) this.#scheduleProbe();
      });
    }, PROBE_EVERY_MS);
    this.#probe.unref();
  }

  async #runProbe(): Promise<void> {
    const started = performance.now();
    const [commands, subscriber] = await Promise.all([
      answers(this.#commands).then((yes) => {
        if (yes) this.pingMs = performance.now() - started;
        return yes;
      }),
      answers(this.#subscriber),
    ]);
    if (this.#closing) return;
    this.#setCommands(commands);
    this.#setSubscriber(subscriber);
  }

  #setCommands(answering: boolean): void {
    if (this.#commandsAnswer === answering || this.#closing) return;
    this.#commandsAnswer = answering;
    this.#logger[answering ? 'info' : 'warn'](
      `redis: commands ${answering ? 'are answered' : 'are not answered'}`,
    );
  }

  #setSubscriber(answering: boolean): void {
    if (this.#subscriberAnswers === answering || this.#closing) return;
    this.#subscriberAnswers = answering;
    this.#logger[answering ? 'info' : 'warn'](
      `redis: subscription ${answering ? 'is live' : 'is interrupted'}`,
    );
    this.emit(answering ? 'subscribed' : 'unsubscribed');
  }
}

/** Whether Redis answered that it does not know the script of a digest. */
export function isUnknownScript(error: unknown): boolean {
  return error instanceof ErrorReply && error.message.startsWith('NOSCRIPT');
}

async function answers(client: Client): Promise<boolean> {
  if (!client.isReady) return false;
  return withDeadline(client.ping(), PROBE_DEADLINE_MS, 'PING').then(
    () => true,
    () => false,
  );
}

async function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    const late = () => reject(new Error(`Redis did not answer ${what} within ${ms} ms`));
    // A loop that was busy for so long runs its timers before it reads what has come meanwhile: it gets a turn to read.
    timer = setTimeout(() => setImmediate(() => setImmediate(late)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

type MessageListener = (message: Buffer, channel: Buffer) => void;

function adapterClient(client: Client, onError: (error: unknown) => void): object {
  const caught = (promise: Promise<unknown>) => {
    promise.catch(onError);
  };
  return {
    publish: (channel: string, message: string | Buffer) => caught(client.publish(channel, message)),
    pSubscribe: (pattern: string, listener: MessageListener) =>
      caught(client.pSubscribe(pattern, listener, true)),
    subscribe: (channels: string | string[], listener: MessageListener) =>
      caught(client.subscribe(channels, listener, true)),
    pUnsubscribe: (pattern: string, listener: MessageListener) =>
      caught(client.pUnsubscribe(pattern, listener, true)),
    unsubscribe: (channel: string, listener: MessageListener) =>
      caught(client.unsubscribe(channel, listener, true)),
    // Awaited by the adapter's `serverCount`, whose callers do not all catch.
    sendCommand: (args: string[]) =>
      client.sendCommand(args).catch((error: unknown) => {
        onError(error);
        return ['', '1'];
      }),
    // Its presence tells the adapter that this is the `redis` package.
    sSubscribe: () => undefined,
    on: (event: string, listener: (...args: unknown[]) => void) => client.on(event, listener),
    off: (event: string, listener: (...args: unknown[]) => void) => client.off(event, listener),
  };
}
