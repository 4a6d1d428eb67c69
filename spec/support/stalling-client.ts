/** Clients whose reader can be stopped: they stay connected, and what is sent to them waits where it is. */
import type { Socket as TcpSocket } from 'node:net';
import type { Seen, TestClientOptions, TestSubscription } from './client.js';
import { connectSocketIo, request } from './socketio-client.js';
import { subscribeSse } from './sse-client.js';
import { WebSocketTestClient } from './websocket-client.js';

/** A client that can be made to read nothing. It comes back by itself when it is cut, with its cursor. */
export interface StallingClient {
  readonly seen: Seen;
  /** Reads nothing more from the present connection. */
  stall(): void;
  resume(): void;
  close(): void;
}

export const STALLING_TRANSPORTS = ['socketio', 'msgpack', 'websocket', 'sse'] as const;
export type StallingTransport = (typeof STALLING_TRANSPORTS)[number];

/** Connects and subscribes. @throws Error where the hub refuses it. */
export async function connectStalling(
  transport: StallingTransport,
  options: TestClientOptions,
  subscription: TestSubscription,
): Promise<StallingClient> {
  if (transport === 'sse') return stallingEventStream(options, subscription);
  if (transport === 'websocket') {
    const client = await WebSocketTestClient.subscribe(options, subscription);
    return stalling(
      client.seen,
      () => tcpOf(client.socket),
      () => client.close(),
    );
  }
  const client = await connectSocketIo({ ...options, msgpack: transport === 'msgpack' });
  const ack = await request(client.socket, 'subscribe', subscription);
  if (!ack.ok) throw new Error(`subscribe was refused: ${ack.error?.message}`);
  return stalling(
    client.seen,
    () => tcpOf((client.socket.io.engine.transport as unknown as { ws: object }).ws),
    () => client.close(),
  );
}

function stalling(seen: Seen, tcp: () => TcpSocket, close: () => void): StallingClient {
  let stalled: TcpSocket | undefined;
  return {
    seen,
    close,
    stall: () => {
      stalled = tcp();
      stalled.pause();
    },
    resume: () => stalled?.resume(),
  };
}

async function stallingEventStream(
  options: TestClientOptions,
  subscription: TestSubscription,
): Promise<StallingClient> {
  let resume: () => void = () => undefined;
  let flowing = Promise.resolve();
  const client = await subscribeSse({ ...options, pass: () => flowing }, subscription);
  return {
    seen: client.seen,
    close: () => client.close(),
    stall: () => {
      flowing = new Promise((resolve) => {
        resume = resolve;
      });
    },
    resume: () => resume(),
  };
}

/** The TCP socket below a `ws` socket; private in its types. */
function tcpOf(webSocket: object): TcpSocket {
  return (webSocket as { readonly _socket: TcpSocket })._socket;
}
