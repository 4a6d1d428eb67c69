import type { Socket } from 'node:net';
import type { CloseCode } from '@axiom-streaming/protocol/close-codes';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { Socket as SocketIoSocket } from 'socket.io';

/**
 * What the hub uses of an Engine.IO connection beyond its types: pre-encoded frames and the socket below the
 * transport. The one cast to internals of engine.io 6.6; `spec/transports/socketio-internals.spec.ts` holds on to it.
 */
export interface EngineConnection {
  readonly readyState: 'opening' | 'open' | 'closing' | 'closed';
  readonly transport: {
    readonly name: string;
    removeAllListeners(event: 'headers'): void;
    /** The `ws` socket, where the transport is a WebSocket. */
    readonly socket?: {
      listeners(event: 'error'): readonly { readonly name: string }[];
      off(event: 'error', listener: () => void): void;
      readonly readyState: number;
      readonly bufferedAmount: number;
      /** The TCP socket below. */
      readonly _socket?: Socket | null;
      close(code: number, reason: string): void;
      terminate(): void;
    };
  };
  readonly writeBuffer: readonly { readonly data?: string | Buffer }[];
  write(packet: string | Buffer, options: EnginePacketOptions): void;
  close(discard?: boolean): void;
}

/** What engine.io takes along with a packet. It sets `compress` itself where it is missing. */
export interface EnginePacketOptions {
  compress: boolean;
  /** The buffers of a finished WebSocket frame; other transports do not look at it. */
  readonly wsPreEncodedFrame?: readonly Buffer[];
}

/** The options of a frame's packet. The frame's wire form is made when a WebSocket first asks for it. */
export function packetOptions(frame: { readonly wire: Buffer }): EnginePacketOptions {
  return {
    compress: false,
    get wsPreEncodedFrame() {
      return [frame.wire];
    },
  };
}

export function engineConnection(socket: SocketIoSocket): EngineConnection {
  return socket.conn as unknown as EngineConnection;
}

const NOTHING = Object.freeze({});

/**
 * Lets go of the request that a connection began with: its headers and the client's `auth` are read when the connection
 * is set up, and three listeners that have done their work would keep them as long as it lives.
 */
export function dropRequest(socket: SocketIoSocket): void {
  const connection = engineConnection(socket) as EngineConnection & { request: object | null };
  connection.request = null;
  const { address, time, issued, secure, xdomain } = socket.handshake;
  const handshake: SocketIoSocket['handshake'] = {
    address,
    time,
    issued,
    secure,
    xdomain,
    headers: NOTHING,
    query: NOTHING,
    auth: NOTHING,
    url: '',
  };
  (socket as { handshake: SocketIoSocket['handshake'] }).handshake = handshake;
  const webSocket = connection.transport.socket;
  if (webSocket === undefined) return;
  connection.transport.removeAllListeners('headers');
  const [beforeUpgrade] = webSocket.listeners('error').filter(({ name }) => name === 'onUpgradeError');
  if (beforeUpgrade !== undefined) webSocket.off('error', beforeUpgrade as () => void);
  // What Engine.IO offers middlewares in place of a response waits for the end of the connection.
  const tcp = webSocket._socket;
  for (const listener of tcp?.rawListeners('close') ?? []) {
    const isOnce = Object.hasOwn(listener, 'listener');
    if (isOnce) tcp?.off('close', listener as () => void);
  }
}

/** `ws`'s state of an open connection. */
const OPEN = 1;

/**
 * The TCP socket on which finished frames may be written now: only of an open WebSocket, and only while Engine.IO holds
 * nothing back that was emitted before.
 */
export function directSocket({ transport, writeBuffer }: EngineConnection): Socket | undefined {
  const { socket } = transport;
  if (socket === undefined || socket.readyState !== OPEN || writeBuffer.length > 0) return undefined;
  return socket._socket ?? undefined;
}

/** Bytes that were handed to a connection and have not left the process. */
export function bufferedBytes({ transport, writeBuffer }: EngineConnection): number {
  let bytes = transport.socket?.bufferedAmount ?? 0;
  for (const { data } of writeBuffer) bytes += data?.length ?? 0;
  return bytes;
}

/**
 * Ends a connection in a way that makes its client come back: never by Socket.IO's own disconnect, after which it
 * stays away, and for a slow one without the drain that does not come.
 */
export function endConnection(connection: EngineConnection, { code, name }: CloseCode): void {
  const { socket } = connection.transport;
  if (socket === undefined) connection.close(true);
  else if (code === CLOSE.slow.code) socket.terminate();
  else socket.close(code, name);
}
