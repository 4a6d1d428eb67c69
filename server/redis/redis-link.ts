/**
 * The connections to Redis: one to each master for commands, and one for subscriptions. Only files in this folder
 * import the `redis` package.
 *
 * A command fails at once without a connection and has its own deadline; a probe on every connection tells what is
 * really up. A command whose outcome is unknown is never resent.
 */
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { ErrorReply } from '@redis/client';
import { HubError } from '../errors.js';
import type { Logger } from '../logger.js';
import { unlessAborted } from '../time/abort.js';
import { adapterClient } from './adapter-client.js';
import { ClusterMasters } from './cluster-masters.js';
import type { RedisConnection } from './connection.js';
import { withDeadline } from './deadline.js';
import { type Masters, OneMaster } from './masters.js';
import { keyOf } from './slots.js';
import { SubscriberConnection, type TextListener } from './subscriber-connection.js';
import { parseRedisUrl } from './target.js';
import { kindOf, passingRefusal, WriteRefusals } from './write-refusals.js';

const PROBE_EVERY_MS = 1_000;
/** While all connections answer, the masters are looked up again only after this many probes. */
const REFRESH_EVERY_PROBES = 5;
const CONNECT_WITHIN_MS = 5_000;
/** How many redirections (`MOVED`, `ASK`) a command follows while its key moves between masters. */
const MAX_MOVES = 4;

/** A Lua script and its digest. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/**
 * Loads a script from the module's own folder, e.g. `loadScript(import.meta.url, 'append.lua')`. Of several files the
 * first ones define what the last one uses.
 */
export function loadScript(moduleUrl: string, ...files: readonly string[]): Script {
  return scriptOf(files.map((file) => readFileSync(new URL(file, moduleUrl), 'utf8')).join(''));
}

/** A script from its text. */
export function scriptOf(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

/** The reply to a script or command, not yet checked by the caller. */
export type Reply = string | number | null | Reply[];

interface RedisLinkEvents {
  /** The connection for subscriptions is ready, with all its subscriptions in place. */
  subscribed: [];
  /** The connection for subscriptions is gone, or no longer answers. */
  unsubscribed: [];
  /** {@link RedisLink.life} may have changed for some or all keys. */
  changed: [];
}

export interface RedisLinkOptions {
  /** As {@link parseRedisUrl} reads it. */
  readonly url: string;
  readonly logger: Logger;
}

/** All connections to one Redis deployment, and their health. */
export class RedisLink extends EventEmitter<RedisLinkEvents> {
  /** Whether keys are spread over several masters. */
  readonly isCluster: boolean;
  readonly writes = new WriteRefusals();
  readonly #masters: Masters;
  readonly #subscriber: SubscriberConnection;
  readonly #logger: Logger;
  #probe: NodeJS.Timeout | undefined;
  #probes = 0;
  #closing = false;

  /** @throws Error if the address cannot be parsed */
  constructor({ url, logger }: RedisLinkOptions) {
    super();
    const target = parseRedisUrl(url);
    this.isCluster = target.kind === 'cluster';
    this.#logger = logger;
    const changed = () => this.#changed();
    this.#masters = this.isCluster
      ? new ClusterMasters(target, logger, changed)
      : new OneMaster(target, logger, changed);
    this.#subscriber = new SubscriberConnection({
      credentials: target,
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

  /** True while commands can be sent for every key. */
  get commandsReady(): boolean {
    const { all } = this.#masters;
    return all.length > 0 && all.every(({ up }) => up);
  }

  /** True while commands for this key can be sent. */
  ready(key: string): boolean {
    return this.#masters.of(key)?.up === true;
  }

  /**
   * A value that changes whenever announcements about a key may have been missed, and whenever its master may have
   * changed or may have come back with other data. Undefined while the master or the announcements are unavailable.
   */
  life(key: string): string | undefined {
    const [heard, master] = [this.#subscriber.connection.life, this.#masters.of(key)?.life];
    return heard === undefined || master === undefined ? undefined : `${heard} ${master}`;
  }

  /** How many times any of the connections had to reconnect. */
  get reconnects(): number {
    return this.#connections().reduce((sum, { attempts }) => sum + attempts, 0);
  }

  /** Round trip of the last probe on the slowest command connection, ms. */
  get pingMs(): number {
    return Math.max(0, ...this.#masters.all.map(({ pingMs }) => pingMs));
  }

  /**
   * Connects. @throws Error if Redis does not answer within a few seconds: a node that has never seen its log has
   * nothing to serve, and the operator who starts it should be told at once. @throws the reason of `signal` once it
   * aborts.
   */
  async connect(signal?: AbortSignal): Promise<void> {
    const connected = this.#masters.connect().then(() => this.#subscriber.connection.connect());
    const wanted = signal === undefined ? connected : unlessAborted(connected, signal);
    await withDeadline(wanted, CONNECT_WITHIN_MS, 'connect').catch(async (error: Error) => {
      await this.close();
      throw error;
    });
    this.#scheduleProbe();
  }

  /**
   * Runs a script by its digest, or by its text if Redis does not have it.
   *
   * @throws HubError `log_unavailable` without a connection, or without an answer within `deadlineMs` (default 900).
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

  /**
   * Runs a script by its digest, without retry.
   *
   * @throws as {@link run}, and errors that {@link isNotTaken} recognises.
   */
  runKnown(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    deadlineMs = 900,
  ): Promise<Reply> {
    const command = ['EVALSHA', script.sha, String(keys.length), ...keys, ...args];
    return this.#once(command, this.#masters.of(keys[0]), deadlineMs);
  }

  /** Runs a script by its text, following redirections; Redis then has it. @throws as {@link run}. */
  runText(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    deadlineMs = 900,
  ): Promise<Reply> {
    return this.command(['EVAL', script.source, String(keys.length), ...keys, ...args], deadlineMs);
  }

  /** Sends one command. @throws HubError `log_unavailable` as {@link run} does; errors of Redis itself unchanged. */
  async command(args: string[], deadlineMs = 900): Promise<Reply> {
    let connection = this.#masters.of(keyOf(args));
    for (let moves = 0, isAsking = false; ; moves++) {
      try {
        return await this.#once(args, connection, deadlineMs, isAsking);
      } catch (error) {
        const [kind, , address = ''] = error instanceof ErrorReply ? error.message.split(' ') : [];
        if (kind !== 'MOVED' && kind !== 'ASK') throw error;
        if (moves === MAX_MOVES) throw passingRefusal('TRYAGAIN', error);
        isAsking = kind === 'ASK';
        if (!isAsking || this.#masters.at(address) === undefined) await this.#refresh();
        // The server that replied may know a newer layout of the cluster than this node does.
        connection = this.#masters.at(address) ?? this.#masters.of(keyOf(args));
      }
    }
  }

  /** Resolves when all subscriptions made so far are confirmed. @throws Error if Redis refused one */
  async subscriptionsLive(): Promise<void> {
    await this.#subscriber.settled();
  }

  /** Calls `listener` with everything published on a channel; the subscription survives reconnects. */
  async listen(channel: string, listener: TextListener): Promise<void> {
    await this.#subscriber.subscribeText(channel, listener);
  }

  /**
   * The clients for the Socket.IO Redis adapter. The adapter does not await its calls, so rejections are caught here:
   * an unhandled one would end the process.
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

  /** The answer of every master to `INFO`. @throws as {@link command} */
  async infos(): Promise<string[]> {
    const { all } = this.#masters;
    return (await Promise.all(all.map((master) => this.#once(['INFO'], master, 900)))).map(String);
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#probe);
    this.#masters.close();
    this.#subscriber.connection.close();
  }

  #connections(): readonly RedisConnection[] {
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

  /** `PUBSUB NUMSUB channel`, summed: each node of a cluster counts only its own subscribers. */
  async #askAll(args: readonly string[]): Promise<unknown> {
    const replies = await Promise.all(this.#masters.all.map((connection) => connection.send(args)));
    const counts = replies.map((reply) => (Array.isArray(reply) ? Number(reply[1]) : 0));
    return [args[2], String(counts.reduce((sum, count) => sum + count, 0))];
  }

  async #once(
    args: readonly string[],
    connection: RedisConnection | undefined,
    deadlineMs: number,
    asking = false,
  ): Promise<Reply> {
    if (!connection?.up) throw new HubError('log_unavailable', 'Redis is unreachable');
    try {
      const reply = asking ? connection.sendAsking(args) : connection.send(args);
      return (await withDeadline(reply, deadlineMs, args[0]!)) as Reply;
    } catch (error) {
      if (error instanceof ErrorReply) throw this.#refusal(error, connection, args);
      throw new HubError(
        'log_unavailable',
        'Redis did not answer; whether it executed the command is unknown',
        { cause: error },
      );
    }
  }

  /** Classifies an error reply: the command is wrong, or the server cannot serve anyone at the moment. */
  #refusal(error: ErrorReply, connection: RedisConnection, args: readonly string[]): Error {
    const kind = kindOf(error);
    // This server is no longer a master; look up the present one.
    if (kind === 'READONLY') connection.renew();
    this.writes.note(kind, args);
    return passingRefusal(kind, error) ?? error;
  }

  async #refresh(): Promise<void> {
    await this.#masters.refresh().catch((error: Error) => {
      this.#logger.warn({ error: error.message }, 'redis: cannot find out which server is master');
    });
    // Subscriptions must stay on a server where subscribers are counted and a failover is noticed.
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
    if (!this.#closing) await this.writes.probe((args) => this.command(args));
    this.#probes += 1;
    if (!this.#closing && (!this.up || this.#probes % REFRESH_EVERY_PROBES === 0)) await this.#refresh();
  }
}

/**
 * Whether the reply means that the command was not executed at all: the script of this digest is unknown, or another
 * master has the key.
 */
export function isNotTaken(error: unknown): boolean {
  return error instanceof ErrorReply && /^(NOSCRIPT|MOVED|ASK) ?/.test(error.message);
}
