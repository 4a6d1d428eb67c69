/**
 * The Socket.IO adapters of the hub. They carry ordinary Socket.IO traffic between nodes as the stock adapters do, and
 * leave two things to the hub: payloads of the stream log that arrive on the adapter's channel, and the decision
 * whether a returning client's session can be resumed.
 */

import { isBoundedMsgpack } from '@axiom-streaming/protocol/msgpack-guard';
import { RedisAdapter } from '@socket.io/redis-adapter';
import type { Namespace } from 'socket.io';
import { Adapter, type BroadcastOptions, type Room, type Session } from 'socket.io-adapter';

/** Requests of other nodes may be JSON. */
const BRACE = 0x7b;

/** What an adapter needs from the hub. */
export interface AdapterHooks {
  /** Whether a payload on the channel is the stream log's. */
  isHubPayload(payload: Buffer): boolean;
  /** Takes the payload of a stream. @throws Error if it is damaged. */
  receive(stream: string, payload: Buffer): void;
  /** A payload on the channel could not be read. Only that payload is dropped. */
  malformed(error: unknown): void;
  /** The session that a client may resume, or null. */
  restoreSession(pid: string, offset: string): Promise<Session | null>;
}

/** The hooks of the Redis adapter 8.3 that its types declare private. */
interface RedisAdapterInternals extends Adapter {
  readonly channel: string;
  onmessage(pattern: unknown, channel: string | Buffer, payload: Buffer): void;
  onrequest(channel: string | Buffer, payload: Buffer): Promise<void>;
}

const RedisAdapterBase = RedisAdapter as unknown as new (
  namespace: Namespace,
  pubClient: unknown,
  subClient: unknown,
) => RedisAdapterInternals;

/** The Redis channel on which a stream's payloads travel: that of the stream's room in the namespace `/`. */
export function streamChannel(stream: string): string {
  return `socket.io#/#${stream}#`;
}

class HubRedisAdapter extends RedisAdapterBase {
  readonly #hooks: AdapterHooks;

  constructor(namespace: Namespace, clients: { pubClient: object; subClient: object }, hooks: AdapterHooks) {
    super(namespace, clients.pubClient, clients.subClient);
    this.#hooks = hooks;
  }

  // One throw below a Pub/Sub listener makes the client drop the rest of what it had read.
  override onmessage(pattern: unknown, channel: string | Buffer, payload: Buffer): void {
    try {
      if (!this.#hooks.isHubPayload(payload)) {
        if (!isBoundedMsgpack(payload)) throw new Error('a payload on the channel is not MessagePack');
        super.onmessage(pattern, channel, payload);
        return;
      }
      const name = channel.toString();
      if (name.startsWith(this.channel)) this.#hooks.receive(name.slice(this.channel.length, -1), payload);
    } catch (error) {
      this.#hooks.malformed(error);
    }
  }

  override async onrequest(channel: string | Buffer, payload: Buffer): Promise<void> {
    try {
      if (payload[0] !== BRACE && !isBoundedMsgpack(payload)) throw new Error('a request is not MessagePack');
      await super.onrequest(channel, payload);
    } catch (error) {
      this.#hooks.malformed(error);
    }
  }

  // With state recovery on, Socket.IO sends every `socket.emit` through here: a packet for one socket of this node
  // must stay on this node.
  override broadcast(packet: unknown, options: BroadcastOptions): void {
    super.broadcast(packet, isForOneLocal(this, options) ? local(options) : options);
  }

  override persistSession(): void {
    // The hub writes sessions when subscriptions change, so a disconnect adds nothing to them.
  }

  override restoreSession(pid: string, offset: string): Promise<Session> {
    return this.#hooks.restoreSession(pid, offset) as Promise<Session>;
  }
}

class HubMemoryAdapter extends Adapter {
  readonly #hooks: AdapterHooks;

  constructor(namespace: Namespace, hooks: AdapterHooks) {
    super(namespace);
    this.#hooks = hooks;
  }

  override persistSession(): void {
    // As above.
  }

  override restoreSession(pid: string, offset: string): Promise<Session> {
    return this.#hooks.restoreSession(pid, offset) as Promise<Session>;
  }
}

function isForOneLocal(adapter: Adapter, { rooms }: BroadcastOptions): boolean {
  if (rooms.size !== 1) return false;
  const [room] = rooms;
  return adapter.sids.has(room as Room);
}

function local(options: BroadcastOptions): BroadcastOptions {
  return { ...options, flags: { ...options.flags, local: true } };
}

/**
 * The argument of `new Server({adapter})`: a `function`, since it is called with `new`.
 *
 * @param clients the two Redis connections; without them the adapter serves this node alone.
 */
export function hubAdapter(
  hooks: AdapterHooks,
  clients: { pubClient: object; subClient: object } | undefined,
): (namespace: Namespace) => Adapter {
  return function createHubAdapter(namespace: Namespace): Adapter {
    return clients === undefined
      ? new HubMemoryAdapter(namespace, hooks)
      : new HubRedisAdapter(namespace, clients, hooks);
  };
}
