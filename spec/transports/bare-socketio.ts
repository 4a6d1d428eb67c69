import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import type { Session } from 'socket.io-adapter';
import { type Socket as ClientSocket, io } from 'socket.io-client';
import { type AdapterHooks, hubAdapter } from '../../server/transports/socketio/hub-adapter.js';
import { until } from '../support/wait.js';

type Listener = (message: Buffer, channel: Buffer) => void;

/** The two clients of an adapter, without a Redis. */
class FakeClients {
  readonly published: { channel: string; message: Buffer }[] = [];
  readonly listeners = new Map<string, Listener>();
  readonly pubClient = {
    publish: (channel: string, message: Buffer) => void this.published.push({ channel, message }),
    pSubscribe: () => undefined,
    on: () => undefined,
    off: () => undefined,
    listenerCount: () => 2,
  };
  readonly subClient = {
    pSubscribe: (pattern: string, listener: Listener) => void this.listeners.set(pattern, listener),
    subscribe: (channels: string[], listener: Listener) => {
      for (const channel of channels) this.listeners.set(channel, listener);
    },
    pUnsubscribe: () => undefined,
    unsubscribe: () => undefined,
    on: () => undefined,
    off: () => undefined,
    listenerCount: () => 2,
  };

  /** What Redis would hand on. */
  arrive(channel: string, message: Buffer): void {
    const listener = this.listeners.get('socket.io#/#*') ?? this.listeners.get(channel);
    if (listener === undefined) throw new Error(`nobody has subscribed for ${channel}`);
    listener(message, Buffer.from(channel));
  }
}

/** What the hub does for the adapter, and what it was told. */
class Hooks implements AdapterHooks {
  readonly received: { stream: string; payload: Buffer }[] = [];
  readonly malformations: unknown[] = [];
  readonly asked: { pid: string; offset: string }[] = [];
  session: Session | null = null;

  isHubPayload(payload: Buffer): boolean {
    return payload[0] === 0x48;
  }

  receive(stream: string, payload: Buffer): void {
    this.received.push({ stream, payload });
    if (payload.includes('broken')) throw new Error('damaged');
  }

  malformed(error: unknown): void {
    this.malformations.push(error);
  }

  async restoreSession(pid: string, offset: string): Promise<Session | null> {
    this.asked.push({ pid, offset });
    return this.session;
  }
}

/** The server of one spec. Its clients are raw on purpose: no hub is there that would speak to a test client. */
export class BareSocketIo {
  readonly clients = new FakeClients();
  readonly hooks = new Hooks();
  readonly server: Server;
  readonly url: string;
  readonly #httpServer: HttpServer;
  readonly #open: ClientSocket[] = [];

  private constructor(httpServer: HttpServer, redis: boolean) {
    this.#httpServer = httpServer;
    this.url = `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}`;
    this.server = new Server(httpServer, {
      adapter: hubAdapter(this.hooks, redis ? this.clients : undefined),
      connectionStateRecovery: { maxDisconnectionDuration: 60_000, skipMiddlewares: false },
      perMessageDeflate: false,
    });
  }

  static async start({ redis }: { redis: boolean }): Promise<BareSocketIo> {
    const httpServer = createServer();
    await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
    return new BareSocketIo(httpServer, redis);
  }

  /** A client, and its end on the server. */
  async connect(
    transport: 'websocket' | 'polling' = 'websocket',
  ): Promise<{ client: ClientSocket; socket: Socket }> {
    const connected = new Promise<Socket>((resolve) => this.server.once('connection', resolve));
    const client = io(this.url, { transports: [transport], forceNew: true, reconnectionDelay: 10 });
    this.#open.push(client);
    const socket = await connected;
    await until('the client is connected', () => client.connected);
    return { client, socket };
  }

  async stop(): Promise<void> {
    for (const client of this.#open.splice(0)) client.disconnect();
    this.server.engine.close();
    this.#httpServer.closeAllConnections();
    await new Promise((resolve) => this.#httpServer.close(resolve));
  }
}

/** The arguments of the events of a name that a client gets. */
export function heard(client: ClientSocket, event: string): unknown[][] {
  const all: unknown[][] = [];
  client.on(event, (...args: unknown[]) => all.push(args));
  return all;
}
