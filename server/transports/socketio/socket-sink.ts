import type { Socket } from 'socket.io';
import type { Frame } from '../../hub/encoding.js';
import type { Sink } from '../../hub/subscriber.js';
import type { CloseCode } from '../../protocol/close-codes.js';
import type { DegradedInfo, GapInfo } from '../../protocol/message.js';
import { bufferedBytes, endConnection, engineConnection } from './engine-connection.js';
import { type SocketIoFrame, socketIoEncoding } from './message-encoding.js';

/** The hub's end of a Socket.IO connection. Messages go to Engine.IO already encoded; all else is an ordinary event. */
export class SocketSink implements Sink {
  readonly encoding = socketIoEncoding;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(frame: Frame): void {
    const connection = engineConnection(this.#socket);
    if (connection.readyState !== 'open') return;
    const { packet, options } = frame as SocketIoFrame;
    connection.write(packet, options);
  }

  // The client library keeps the last string argument of any event as its offset: only a cursor may be one.
  position(cursor: string): void {
    this.#socket.emit('position', cursor);
  }

  gap(info: GapInfo): void {
    this.#socket.emit('gap', info);
  }

  degraded(info: DegradedInfo): void {
    this.#socket.emit('degraded', info);
  }

  drain(reconnectInMs: number): void {
    this.#socket.emit('drain', { reconnectInMs });
  }

  bufferedBytes(): number {
    return bufferedBytes(engineConnection(this.#socket));
  }

  close(code: CloseCode): void {
    endConnection(engineConnection(this.#socket), code);
  }
}
