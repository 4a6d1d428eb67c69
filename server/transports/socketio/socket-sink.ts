import type { CloseCode } from '@axiom-streaming/protocol/close-codes';
import type { SocketEvents } from '@axiom-streaming/protocol/frames';
import type { DegradedInfo, ExpiringInfo, GapInfo } from '@axiom-streaming/protocol/message';
import type { DefaultEventsMap, Socket } from 'socket.io';
import type { Encoding } from '../../hub/delivery/encoding.js';
import type { FrameChain } from '../../hub/delivery/frame-chain.js';
import type { Sink } from '../../hub/delivery/subscriber.js';
import {
  bufferedBytes,
  directSocket,
  type EngineConnection,
  endConnection,
  engineConnection,
} from './engine-connection.js';
import type { SocketIoFrame } from './message-encoding.js';

/** A socket that sends what the protocol says, and nothing else. */
export type HubSocket = Socket<DefaultEventsMap, SocketEvents>;

/** The hub's end of a Socket.IO connection. Messages go out already encoded; all else is an ordinary event. */
export class SocketSink implements Sink {
  readonly encoding: Encoding;
  readonly #socket: HubSocket;
  readonly #connection: EngineConnection;
  readonly #direct: boolean;
  readonly #onEpochChanged: () => void;

  /**
   * @param direct write past Engine.IO's buffer while that is empty
   * @param onEpochChanged the log has lost messages, and what else is kept beside it may be lost too
   */
  constructor(
    socket: HubSocket,
    encoding: Encoding,
    direct: boolean,
    onEpochChanged: () => void = () => undefined,
  ) {
    this.encoding = encoding;
    this.#socket = socket;
    this.#connection = engineConnection(socket);
    this.#direct = direct;
    this.#onEpochChanged = onEpochChanged;
  }

  write(frames: FrameChain): number {
    const connection = this.#connection;
    if (connection.readyState !== 'open') return 0;
    const tcp = this.#direct ? directSocket(connection) : undefined;
    if (tcp !== undefined) {
      tcp.write(frames.joined());
      return tcp.writableLength;
    }
    if (this.#direct && connection.transport.name === 'websocket') {
      // Engine.IO's buffer is not empty: queue behind it, as one packet of finished frames.
      const joined = frames.joined();
      connection.write(joined, { compress: false, wsPreEncodedFrame: [joined] });
      return bufferedBytes(connection);
    }
    for (const frame of frames.frames()) {
      const { packet, options } = frame as SocketIoFrame;
      connection.write(packet, options);
    }
    return bufferedBytes(connection);
  }

  // The client library keeps the last string argument of any event as its offset, so only a cursor may be a string
  // there.
  position(cursor: string): void {
    this.#socket.emit('position', cursor);
  }

  gap(info: GapInfo): void {
    this.#socket.emit('gap', info);
    if (info.reason === 'epoch_changed') this.#onEpochChanged();
  }

  degraded(info: DegradedInfo): void {
    this.#socket.emit('degraded', info);
  }

  drain(reconnectInMs: number): void {
    this.#socket.emit('drain', { reconnectInMs });
  }

  expiring(info: ExpiringInfo): void {
    this.#socket.emit('expiring', info);
  }

  bufferedBytes(): number {
    return bufferedBytes(this.#connection);
  }

  close(code: CloseCode): void {
    endConnection(this.#connection, code);
  }
}
