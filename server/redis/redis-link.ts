/**
 * The connections to Redis: for commands, one to each master, and one that is subscribed. With what lies in `redis/`,
 * the only place that imports `redis`.
 *
 * A command fails at once without a connection, has a deadline of its own, and a probe on every connection says what is
 * really up. Nothing is sent again of which it is unknown whether Redis carried it out.
 */
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { ErrorReply } from '@redis/client';
import { HubError } from '../errors.js';
import type { Logger } from '../logger.js';
import { adapterClient } from './adapter-client.js';
import { ClusterMasters } from './cluster-masters.js';
import type { Connection } from './connection.js';
import { withDeadline } from './deadline.js';
import { type Masters, OneMaster } from './masters.js';
import { keyOf } from './slots.js';
import { Subscriber, type TextListener } from './subscriber.js';
import { parseRedisUrl } from './target.js';

const PROBE_EVERY_MS = 1_000;
/** While everything answers, it is asked so seldom who is master. */
const REFRESH_EVERY_PROBES = 5;
const CONNECT_WITHIN_MS = 5_000;
/** Times that a command is sent after a key which moves from one master to another. */
const MAX_MOVES = 4;

/** A server that says one of these has taken nothing, and would at another time. */
const AWAY = new Set([
  ...['READONLY', 'LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN'],
  ...['NOREPLICAS', 'OOM', 'MISCONF'],
]);

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

interface RedisLinkEvents {
  /** The subscribed connection is (again) ready, its subscriptions restored. */
  subscribed: [];
  /** The subscribed connection is gone or answers no more. */
  unsubscribed: [];
  /** What {@link RedisLink.life} says may have changed, for some keys or all. */
  changed: [];
}

export interface RedisLinkOptions {
  /** As {@link parseRedisUrl} reads it. */
  readonly url: string;
  readonly logger: Logger;
}

/** All connections to one Redis deployment, with what is known of their health. */
export class RedisLink extends EventEmitter<RedisLinkEvents> {
  /** Whether keys are spread over several masters. */
  readonly isCluster: boolean;
  readonly #masters: Masters;
  readonly #subscriber: Subscriber;
  readonly #logger: Logger;
  #probe: NodeJS.Timeout | undefined;
  #probes = 0;
  #closing = false;

  /** @throws Error where the address cannot be read */
  constructor({ url, logger }: RedisLinkOptions) {
    super();
    const target = parseRedisUrl(url);
    this.isCluster = target.kind === 'cluster';
    this.#logger = logger;
    const changed = () => this.#changed();
    this.#masters = this.isCluster
      ? new ClusterMasters(target, logger, changed)
      : new OneMaster(target, logger, changed);
    this.#subscriber = new Subscriber({
      access: target,
      find: () => this.#masters.findPublisher(),
      logger,
    });
    const { connection } = this.#subscriber;
    connection.on('up', () => {
      if (!this.#closing) this.emit('subscribed');
      this.#changed();
    });
    connection.on('down', () => {
      if (!this.#closing) this.emit('unsubscribed');
      this.#changed();
    });
  }

  /** True while Redis answers on all connections. */
  get up(): boolean {
    return this.commandsReady && this.#subscriber.connection.up;
  }

  /** True while commands can be sent, whatever their key. */
  get commandsReady(): boolean {
    const { all } = this.#masters;
    return all.length > 0 && all.every(({ up }) => up);
  }

  /** True while commands for a key can be sent. */
  ready(key: string): boolean {
    return this.#masters.of(key)?.up === true;
  }

  /**
   * Another text whenever announcements about a key may have been missed, or its master may have changed or come back
   * with other data; undefined while it is out of reach, or nothing is heard.
   */
  life(key: string): string | undefined {
    const [heard, master] = [this.#subscriber.connection.life, this.#masters.of(key)?.life];
    return heard === undefined || master === undefined ? undefined : `${heard} ${master}`;
  }

  /** How often any connection had to be made again. */
  get reconnects(): number {
    return this.#connections().reduce((sum, { attempts }) => sum + attempts, 0);
  }

  /** Round trip of the last probe of the command connections, ms: the slowest. */
  get pingMs(): number {
    return Math.max(0, ...this.#masters.all.map(({ pingMs }) => pingMs));
  }

  /**
   * Connects. @throws Error where Redis is not there within a few seconds: a node that has never seen its log
   * has nothing to serve, and whoever starts it should hear so at once.
   */
  async connect(): Promise<void> {
    const connected = this.#masters.connect().then(() => this.#subscriber.connection.connect());
    await withDeadline(connected, CONNECT_WITHIN_MS, 'connect').catch(async (error: Error) => {
      await this.close();
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
      if (!isNotTaken(error)) throw error;
      return this.runText(script, keys, args, deadlineMs);
    }
  }

  /** Runs a script by its digest, where it should be. @throws as {@link run}, and what {@link isNotTaken} tells. */
  runKnown(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    deadlineMs = 900,
  ): Promise<Reply> {
    const command = ['EVALSHA', script.sha, String(keys.length), ...keys, ...args];
    return this.#once(command, this.#masters.of(keys[0]), deadlineMs);
  }

  /** Runs a script by its text, wherever it has to; Redis knows it from then on. @throws as {@link run}. */
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
    let connection = this.#masters.of(keyOf(args));
    for (let moves = 0, isAsking = false; ; moves++) {
      try {
        return await this.#once(args, connection, deadlineMs, isAsking);
      } catch (error) {
        const [kind, , address = ''] = error instanceof ErrorReply ? error.message.split(' ') : [];
        if (kind !== 'MOVED' && kind !== 'ASK') throw error;
        if (moves === MAX_MOVES) throw unavailable(kind, error);
        isAsking = kind === 'ASK';
        if (!isAsking || this.#masters.at(address) === undefined) await this.#refresh();
        // Whoever was asked may not have heard yet what this one knows.
        connection = this.#masters.at(address) ?? this.#masters.of(keyOf(args));
      }
    }
  }

  /** Resolves when everything that was subscribed before has been confirmed. @throws Error where Redis refused it */
  async subscriptionsLive(): Promise<void> {
    await this.#subscriber.settled();
  }

  /** Hears what is published on a channel, also after a reconnect. */
  async listen(channel: string, listener: TextListener): Promise<void> {
    await this.#subscriber.subscribeText(channel, listener);
  }

  /**
   * Redis as the Socket.IO Redis adapter wants it. It awaits none of its calls, so each is caught here: a rejected
   * promise would otherwise end the process.
   */
  forAdapter(onError: (error: unknown) => void): { pubClient: object; subClient: object } {
    const client = adapterClient({
      subscriber: this.#subscriber,
      publish: (channel, message) => this.#publish(channel, message),
      askAll: (args) => this.#askAll(args),
      onError,
    });
    return { pubClient: client, subClient: client };
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#probe);
    this.#masters.close();
    this.#subscriber.connection.close();
  }

  #connections(): readonly Connection[] {
    return [...this.#masters.all, this.#subscriber.connection];
  }

  #changed(): void {
    if (!this.#closing) this.emit('changed');
  }

  async #publish(channel: string, message: string | Buffer): Promise<unknown> {
    const connection = this.#masters.of(undefined);
    if (connection === undefined) throw new Error('not connected');
    return connection.send(['PUBLISH', channel, message]);
  }

  /** `PUBSUB NUMSUB channel`: each node of a cluster counts its own subscribers. */
  async #askAll(args: readonly string[]): Promise<unknown> {
    const replies = await Promise.all(this.#masters.all.map((connection) => connection.send(args)));
    const counts = replies.map((reply) => (Array.isArray(reply) ? Number(reply[1]) : 0));
    return [args[2], String(counts.reduce((sum, count) => sum + count, 0))];
  }

  async #once(
    args: readonly string[],
    connection: Connection | undefined,
    deadlineMs: number,
    asking = false,
  ): Promise<Reply> {
    if (!connection?.up) throw new HubError('log_unavailable', 'Redis is out of reach');
    try {
      const reply = asking ? connection.sendAsking(args) : connection.send(args);
      return (await withDeadline(reply, deadlineMs, args[0]!)) as Reply;
    } catch (error) {
      if (error instanceof ErrorReply) throw this.#refusal(error, connection);
      throw new HubError(
        'log_unavailable',
        'Redis did not answer; it is unknown whether it took the command',
        { cause: error },
      );
    }
  }

  /** What Redis itself answered: a fault of the command, or of a server that serves nobody at present. */
  #refusal(error: ErrorReply, connection: Connection): Error {
    const [kind = ''] = error.message.split(' ');
    // It was a master once, and whoever is now must be found.
    if (kind === 'READONLY') connection.renew();
    return AWAY.has(kind) ? unavailable(kind, error) : error;
  }

  async #refresh(): Promise<void> {
    await this.#masters.refresh().catch((error: Error) => {
      this.#logger.warn({ error: error.message }, 'redis: it cannot be found out who is master');
    });
    // It must stay where its subscribers are counted, and where a failover is noticed.
    const { connection } = this.#subscriber;
    if (connection.server !== undefined && !this.#masters.isPublisher(connection.server)) connection.renew();
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
    await Promise.all(this.#connections().map((connection) => connection.probe()));
    this.#probes += 1;
    if (!this.#closing && (!this.up || this.#probes % REFRESH_EVERY_PROBES === 0)) await this.#refresh();
  }
}

function unavailable(kind: string, cause: unknown): HubError {
  return new HubError('log_unavailable', `Redis takes nothing at present (${kind})`, { cause });
}

/**
 * Whether Redis answered that it has not even looked at a command: it does not know the script of a digest, or another
 * master has the key.
 */
export function isNotTaken(error: unknown): boolean {
  return error instanceof ErrorReply && /^(NOSCRIPT|MOVED|ASK) ?/.test(error.message);
}
