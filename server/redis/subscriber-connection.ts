/**
 * The connection that is subscribed. Whatever was subscribed is subscribed again before the connection counts as up.
 */
import { ErrorReply } from '@redis/client';
import type { Logger } from '../logger.js';
import { type Client, RedisConnection, type RedisCredentials } from './connection.js';
import type { RedisServer } from './target.js';

export type BufferListener = (message: Buffer, channel: Buffer) => void;
export type TextListener = (message: string, channel: string) => void;

interface Subscription {
  readonly channel: string;
  readonly listener: BufferListener | TextListener;
  begin(client: Client): Promise<void>;
  end(client: Client): Promise<void>;
}

export class SubscriberConnection {
  readonly connection: RedisConnection;
  readonly #subscriptions = new Set<Subscription>();
  /** The client on which the subscriptions were last made. */
  #client: Client | undefined;
  #refusal: ErrorReply | undefined;

  constructor(options: { credentials: RedisCredentials; find: () => Promise<RedisServer>; logger: Logger }) {
    this.connection = new RedisConnection({
      ...options,
      name: 'subscriber',
      prepare: async (client) => {
        this.#client = client;
        await Promise.all([...this.#subscriptions].map((subscription) => subscription.begin(client)));
      },
    });
  }

  /** Calls `listener` with what is published on a channel, as text. */
  subscribeText(channel: string, listener: TextListener): Promise<void> {
    return this.#add({
      channel,
      listener,
      begin: (client) => client.subscribe(channel, listener),
      end: (client) => client.unsubscribe(channel, listener),
    });
  }

  /** Calls `listener` with what is published on a channel, as bytes. */
  subscribe(channel: string, listener: BufferListener): Promise<void> {
    return this.#add({
      channel,
      listener,
      begin: (client) => client.subscribe(channel, listener, true),
      end: (client) => client.unsubscribe(channel, listener, true),
    });
  }

  /** Calls `listener` with what is published on channels that match a pattern, as bytes. */
  subscribePattern(pattern: string, listener: BufferListener): Promise<void> {
    return this.#add({
      channel: pattern,
      listener,
      begin: (client) => client.pSubscribe(pattern, listener, true),
      end: (client) => client.pUnsubscribe(pattern, listener, true),
    });
  }

  /** Ends a subscription, to a channel or a pattern. */
  async unsubscribe(channel: string, listener: BufferListener | TextListener): Promise<void> {
    for (const subscription of this.#subscriptions) {
      if (subscription.channel !== channel || subscription.listener !== listener) continue;
      this.#subscriptions.delete(subscription);
      if (this.#client?.isReady) await subscription.end(this.#client);
    }
  }

  /** Resolves when all subscriptions made so far are in place. @throws ErrorReply if Redis refused one */
  async settled(): Promise<void> {
    await this.connection.ping();
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  /** Without a connection, the subscription is made on the next connect. */
  async #add(subscription: Subscription): Promise<void> {
    this.#subscriptions.add(subscription);
    if (!this.#client?.isReady) return;
    try {
      await subscription.begin(this.#client);
    } catch (error) {
      // Without the right to subscribe, messages would arrive late: only when this node compares itself with the log.
      if (error instanceof ErrorReply) this.#refusal ??= error;
      throw error;
    }
  }
}
