import type { Socket } from 'node:net';
import type { CloseCode } from '@axiom-streaming/protocol/close-codes';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { Server, Socket as SocketIoSocket } from 'socket.io';

/**
 * What the hub uses of an Engine.IO connection beyond its types: pre-encoded frames and the socket below the
 * transport. The one cast to internals of engine.io 6.6; `spec/transports/socketio-connection.spec.ts` holds on to it.
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
      pause(): void;
      resume(): void;
    };
  };
  readonly writeBuffer: readonly { readonly data?: string | Buffer }[];
  write(packet: string | Buffer, options: EnginePacketOptions): void;
  close(discard?: boolean): void;
  once(event: 'close', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

/** The options that engine.io takes with a packet. It sets `compress` itself if that is missing. */
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

/** Whether Engine.IO has a session. Protected in its types. */
export function hasEngineSession(server: Server, sid: string): boolean {
  return Object.hasOwn((server.engine as unknown as { readonly clients: object }).clients, sid);
}

export function engineConnection(socket: SocketIoSocket): EngineConnection {
  return socket.conn as unknown as EngineConnection;
}

const NOTHING = Object.freeze({});

/**
 * Releases the request that a connection began with. Its headers and the client's `auth` are read when the connection
 * is set up; three listeners that have done their work would keep them in memory until it closes.
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
  // The object that Engine.IO gives middlewares in place of a response listens for the end of the connection.
  const tcp = webSocket._socket;
  for (const listener of tcp?.rawListeners('close') ?? []) {
    const isOnce = Object.hasOwn(listener, 'listener');
    if (isOnce) tcp?.off('close', listener as () => void);
  }
}

/** `ws`'s state of an open connection. */
const OPEN = 1;

/**
 * The TCP socket, if finished frames may be written to it now: only for an open WebSocket, and only while Engine.IO
 * has no earlier packets in its buffer.
 */
export function directSocket({ transport, writeBuffer }: EngineConnection): Socket | undefined {
  const { socket } = transport;
  if (socket === undefined || socket.readyState !== OPEN || writeBuffer.length > 0) return undefined;
  return socket._socket ?? undefined;
}

/** Bytes handed to a connection that have not left the process. */
export function bufferedBytes({ transport, writeBuffer }: EngineConnection): number {
  let bytes = transport.socket?.bufferedAmount ?? 0;
  for (const { data } of writeBuffer) bytes += data?.length ?? 0;
  return bytes;
}

/** Of a long buffer the newest packets are added up, and all of them each time that it has grown by a number. */
const NEWEST_PACKETS = 512;
const ALL_EVERY = 256;

/** Whether more than some bytes wait. To be asked at each packet, so it may notice a long buffer of small ones later. */
export function holdsMoreThan({ transport, writeBuffer }: EngineConnection, bytes: number): boolean {
  const { length } = writeBuffer;
  const first = length % ALL_EVERY === 0 ? 0 : Math.max(0, length - NEWEST_PACKETS);
  let held = transport.socket?.bufferedAmount ?? 0;
  for (let i = length - 1; i >= first && held <= bytes; i--) held += writeBuffer[i]!.data?.length ?? 0;
  return held > bytes;
}

/**
 * Ends a connection so that its client reconnects: never by Socket.IO's own disconnect, after which a client does not
 * reconnect; and for a slow client without waiting for its buffer to drain, which may never happen.
 */
export function endConnection(connection: EngineConnection, { code, name }: CloseCode): void {
  const { socket } = connection.transport;
  if (socket === undefined) connection.close(true);
  else if (code === CLOSE.slow.code) socket.terminate();
  else socket.close(code, name);
}
