import type { BufferListener, SubscriberConnection } from './subscriber-connection.js';

export interface AdapterClientOptions {
  readonly subscriber: SubscriberConnection;
  readonly publish: (channel: string, message: string | Buffer) => Promise<unknown>;
  /** Asks every master and adds up their counts. */
  readonly askAll: (args: readonly string[]) => Promise<unknown>;
  readonly onError: (error: unknown) => void;
}

/**
 * The two clients that the Socket.IO Redis adapter expects, in one object and with only what it uses. No call rejects.
 */
export function adapterClient({ subscriber, publish, askAll, onError }: AdapterClientOptions): object {
  const caught = (promise: Promise<unknown>) => {
    promise.catch(onError);
  };
  const each = (channels: string | string[]) => (Array.isArray(channels) ? channels : [channels]);
  return {
    publish: (channel: string, message: string | Buffer) => caught(publish(channel, message)),
    pSubscribe: (pattern: string, listener: BufferListener) =>
      caught(subscriber.subscribePattern(pattern, listener)),
    subscribe: (channels: string | string[], listener: BufferListener) => {
      for (const channel of each(channels)) caught(subscriber.subscribe(channel, listener));
    },
    pUnsubscribe: (pattern: string, listener: BufferListener) =>
      caught(subscriber.unsubscribe(pattern, listener)),
    unsubscribe: (channels: string | string[], listener: BufferListener) => {
      for (const channel of each(channels)) caught(subscriber.unsubscribe(channel, listener));
    },
    // Awaited by the adapter's `serverCount`, whose callers do not all catch.
    sendCommand: (args: string[]) =>
      askAll(args).catch((error: unknown) => {
        onError(error);
        return ['', '1'];
      }),
    // The adapter takes a client with this method for the `redis` package's.
    sSubscribe: () => undefined,
    // The adapter would log its clients' errors; they have been logged already.
    on: () => undefined,
    off: () => undefined,
  };
}
