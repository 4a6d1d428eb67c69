import type { GapInfo, Message, TopicVerdict, WelcomeInfo } from '@axiom-streaming/protocol/message';
import { io, type Socket } from 'socket.io-client';
import parser from 'socket.io-msgpack-parser';
import {
  nextAddress,
  Seen,
  type TestClient,
  type TestClientOptions,
  type TestSubscription,
} from './client.js';
import { SPEC_KEY } from './credentials.js';

export interface SocketIoTestClient extends TestClient {
  readonly socket: Socket;
  /** `socket.recovered` after each connect. */
  readonly recovered: readonly boolean[];
  /** What `expiring` said, each time; it may come in the same packet as the welcome. */
  readonly expiring: readonly { readonly expiresInMs: number }[];
}

/** An acknowledgement as it comes over the wire. */
export interface Ack {
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly message: string; readonly field?: string };
  readonly topics?: readonly TopicVerdict[];
  readonly [name: string]: unknown;
}

export interface SocketIoTestOptions extends TestClientOptions {
  /** Default: WebSocket alone. */
  readonly transports?: readonly ('polling' | 'websocket')[];
  /** Packets in MessagePack, with the unmodified `socket.io-msgpack-parser`. Default: JSON. */
  readonly msgpack?: boolean;
}

/** Connects an unmodified socket.io-client. It has not subscribed to anything. */
export async function connectSocketIo(options: SocketIoTestOptions): Promise<SocketIoTestClient> {
  const {
    url,
    address = nextAddress(),
    transports = ['websocket'],
    msgpack = false,
    token = SPEC_KEY,
  } = options;
  const seen = new Seen();
  const recovered: boolean[] = [];
  const expiring: { expiresInMs: number }[] = [];
  const socket = io(url, {
    transports: [...transports],
    ...(msgpack ? { path: '/msgpack/', parser } : {}),
    auth: token === '' ? {} : { token },
    extraHeaders: { 'X-Forwarded-For': address },
    forceNew: true,
    reconnectionDelay: 20,
    reconnectionDelayMax: 200,
  });
  const client = {
    transport: 'socketio' as const,
    socket,
    seen,
    recovered,
    expiring,
    verdicts: [] as readonly TopicVerdict[],
    get node() {
      return seen.nodes.at(-1) ?? '';
    },
    close: () => {
      socket.disconnect();
    },
  };
  socket.on('connect', () => recovered.push(socket.recovered));
  socket.on('disconnect', () => {
    seen.losses += 1;
  });
  socket.on('message', (message: Message, cursor: string) => seen.message(message, cursor));
  socket.on('position', (cursor: string) => seen.position(cursor));
  socket.on('gap', (info: GapInfo) => seen.gaps.push(info));
  socket.on('degraded', (info: unknown) => seen.degraded.push(info));
  socket.on('expiring', (info: { expiresInMs: number }) => expiring.push(info));
  socket.on('drain', (info: unknown) => seen.drains.push(info));
  await new Promise<void>((resolve, reject) => {
    socket.on('welcome', (info: WelcomeInfo) => {
      seen.nodes.push(info.node);
      if (info.topics !== undefined) client.verdicts = info.topics;
      resolve();
    });
    setTimeout(() => reject(new Error('no welcome over Socket.IO within 60 s')), 60_000).unref();
  });
  return client;
}

/** Connects and subscribes; resolves with the acknowledgement. */
export async function subscribeSocketIo(
  options: SocketIoTestOptions,
  subscription: TestSubscription,
): Promise<SocketIoTestClient> {
  const client = await connectSocketIo(options);
  const ack = await request(client.socket, 'subscribe', subscription);
  if (!ack.ok) {
    client.close();
    throw new Error(`subscribe was refused: ${ack.error?.code}: ${ack.error?.message}`);
  }
  (client as { verdicts: readonly TopicVerdict[] }).verdicts = ack.topics ?? [];
  return client;
}

/** One request and its acknowledgement. */
export function request(socket: Socket, operation: string, body: unknown): Promise<Ack> {
  return socket.timeout(60_000).emitWithAck(operation, body) as Promise<Ack>;
}
