import type { Encoding, Frame } from '../../hub/delivery/encoding.js';
import { textFrame } from '../server-frame.js';
import { type EnginePacketOptions, packetOptions } from './engine-connection.js';

/** Engine.IO packet type "message". */
const ENGINE_MESSAGE = '4';

/** A `message` event as a Socket.IO packet and, if needed, as a WebSocket frame. */
export interface SocketIoFrame extends Frame {
  readonly packet: string | Buffer;
  readonly options: EnginePacketOptions;
}

class JsonFrame implements SocketIoFrame {
  /** Socket.IO packet: EVENT, then `["message", message, cursor]`. */
  readonly packet: string;
  readonly options = packetOptions(this);
  #wire: Buffer | undefined;

  constructor(text: string, cursor: string) {
    this.packet = `2["message",${text},"${cursor}"]`;
  }

  get wire(): Buffer {
    this.#wire ??= textFrame(ENGINE_MESSAGE + this.packet);
    return this.#wire;
  }
}

/** Socket.IO packets in JSON, the default parser's. */
export const socketIoEncoding: Encoding = {
  name: 'socketio',
  encode: ({ text }, cursor) => new JsonFrame(text, cursor),
};
