import type { Socket as TcpSocket } from 'node:net';
import type { DegradedInfo, GapInfo, Message, WelcomeInfo } from '@axiom-streaming/protocol/message';
import { io, type Socket } from 'socket.io-client';
import parser from 'socket.io-msgpack-parser';
import {
  type Ack,
  ANSWER_WITHIN_MS,
  BaseTestClient,
  CONNECT_WITHIN_MS,
  fromAddress,
  nextAddress,
  Resumption,
  type TestClientOptions,
  type TestSocket,
  type TestSubscription,
} from './client.js';
import { SPEC_KEY } from './credentials.js';

export type { Ack } from './client.js';

export interface SocketIoTestOptions extends TestClientOptions {
  /** Default: WebSocket alone. */
  readonly transports?: readonly ('polling' | 'websocket')[];
  /** Packets in MessagePack, with the unmodified `socket.io-msgpack-parser`. Default: JSON. */
  readonly msgpack?: boolean;
  /** Is asked for the token at each connect, instead of `token`. */
  readonly tokens?: () => Promise<string>;
  /** Sent with the token, as a client that has a session sends its `pid` and `offset`. */
  readonly auth?: Readonly<Record<string, unknown>>;
  /** Whether one whose session is gone subscribes again with its cursor. Default true. */
  readonly keepsCursor?: boolean;
}

type HeardEvent = readonly [name: string, ...args: unknown[]];

/**
 * An unmodified socket.io-client, as the README tells to use it: a recovered one does nothing, any other subscribes.
 */
export class SocketIoTestClient extends BaseTestClient implements TestSocket {
  readonly transport = 'socketio';
  readonly socket: Socket;
  /** `socket.recovered` after each connect. */
  readonly recovered: boolean[] = [];
  /** What `expiring` said, each time; it may come in the same packet as the welcome. */
  readonly expiring: { readonly expiresInMs: number }[] = [];
  /** Every event with its arguments, from the first on; empty where nothing is kept. */
  readonly events: HeardEvent[] = [];
  readonly #resumption: Resumption;
  #stalled: TcpSocket | undefined;

  /** Connects. Most want {@link connectSocketIo}, which waits for the welcome. */
  constructor(options: SocketIoTestOptions) {
    super(options);
    const { url, address = nextAddress(), transports = ['websocket'], msgpack = false } = options;
    const { token = SPEC_KEY, tokens = async () => token, auth = {}, keepsCursor } = options;
    // A hub may be served below a path.
    const { origin, pathname } = new URL(url);
    const base = pathname.replace(/\/+$/, '');
    this.socket = io(origin, {
      transports: [...transports],
      path: `${base}${msgpack ? '/msgpack/' : '/socket.io/'}`,
      ...(msgpack ? { parser } : {}),
      auth: (give) => void tokens().then((text) => give(text === '' ? auth : { token: text, ...auth })),
      extraHeaders: fromAddress(address),
      forceNew: true,
      timeout: CONNECT_WITHIN_MS,
      reconnectionDelay: 20,
      reconnectionDelayMax: 500,
    });
    this.#resumption = new Resumption(this.seen, (...asked) => this.#subscribe(...asked), keepsCursor);
    this.#listen();
  }

  subscribe(subscription: TestSubscription): Promise<void> {
    return this.#resumption.begin(subscription);
  }

  request(operation: string, body: object): Promise<Ack> {
    return this.socket.timeout(ANSWER_WITHIN_MS).emitWithAck(operation, body) as Promise<Ack>;
  }

  stall(): void {
    const { ws } = this.socket.io.engine.transport as unknown as { ws?: { readonly _socket?: TcpSocket } };
    // Private in the types of `ws`; there is none while the client is away.
    this.#stalled = ws?._socket;
    this.#stalled?.pause();
  }

  resume(): void {
    this.#stalled?.resume();
  }

  cut(): void {
    this.socket.io.engine.close();
  }

  close(): void {
    this.socket.disconnect();
  }

  #subscribe(body: object, heard: (ack: Ack) => void): Promise<Ack> {
    return new Promise((resolve, reject) => {
      this.socket.timeout(ANSWER_WITHIN_MS).emit('subscribe', body, (error: Error | null, ack: Ack) => {
        if (error !== null) return reject(error);
        heard(ack);
        resolve(ack);
      });
    });
  }

  #listen(): void {
    const { socket, seen } = this;
    if (seen.keeps) socket.onAny((...event: [string, ...unknown[]]) => this.events.push(event));
    socket.on('connect', () => this.recovered.push(socket.recovered));
    socket.on('disconnect', (reason) => seen.lost(reason));
    socket.on('welcome', (info: WelcomeInfo, cursor: string) => this.#welcomed(info, cursor));
    socket.on('message', (message: Message, cursor: string) => seen.message(message, cursor));
    socket.on('position', (cursor: string) => seen.position(cursor));
    socket.on('gap', (info: GapInfo) => seen.gap(info));
    socket.on('degraded', (info: DegradedInfo) => seen.degradation(info));
    socket.on('expiring', (info: { expiresInMs: number }) => this.expiring.push(info));
    socket.on('drain', (info: unknown) => seen.drains.push(info));
  }

  #welcomed(info: WelcomeInfo, cursor: string): void {
    const { socket, seen } = this;
    seen.connected(info.node, socket.recovered);
    if (socket.recovered) {
      seen.subscribed(info.topics ?? [], cursor, false);
      return;
    }
    if (info.topics !== undefined) seen.verdicts = info.topics;
    seen.refused(info.recovered === false ? info.reason : undefined);
    const { id } = socket;
    void this.#resumption.resume(() => socket.id === id && socket.connected);
  }
}

/** Connects; resolves with the first welcome. @throws Error where the hub refuses it */
export async function connectSocketIo(options: SocketIoTestOptions): Promise<SocketIoTestClient> {
  const client = new SocketIoTestClient(options);
  await new Promise<void>((resolve, reject) => {
    const refused = (error: Error) => {
      clearTimeout(timer);
      client.close();
      reject(error);
    };
    const inVain = new Error(`no welcome over Socket.IO within ${ANSWER_WITHIN_MS / 1000} s`);
    const timer = setTimeout(() => refused(inVain), ANSWER_WITHIN_MS).unref();
    const onError = (error: Error) => {
      // A client that will not try again was refused.
      if (!client.socket.active) refused(error);
    };
    client.socket.on('connect_error', onError);
    client.socket.once('welcome', () => {
      clearTimeout(timer);
      client.socket.off('connect_error', onError);
      resolve();
    });
  });
  return client;
}

/** Connects and subscribes. @throws Error where the hub refuses it */
export async function subscribeSocketIo(
  options: SocketIoTestOptions,
  subscription: TestSubscription,
): Promise<SocketIoTestClient> {
  const client = await connectSocketIo(options);
  try {
    await client.subscribe(subscription);
  } catch (error) {
    client.close();
    throw error;
  }
  return client;
}
