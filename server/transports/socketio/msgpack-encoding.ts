/** Socket.IO packets in MessagePack, for clients that use `socket.io-msgpack-parser`. */

import { isPlainMsgpack } from '@axiom-streaming/protocol/msgpack-guard';
import parser from 'socket.io-msgpack-parser';
import type { EncodableMessage, Encoding } from '../../hub/delivery/encoding.js';
import { binaryFrame } from '../server-frame.js';
import { packetOptions } from './engine-connection.js';
import type { SocketIoFrame } from './message-encoding.js';
import { decodeMsgpack, encodeMsgpack } from './msgpack-codec.js';

// { type: 2 (EVENT), data: ["message", message, cursor], nsp: "/" }, split around the parts that vary.
const HEAD = Buffer.concat([
  Buffer.from([0x83]),
  encodeMsgpack('type'),
  encodeMsgpack(2),
  encodeMsgpack('data'),
  Buffer.from([0x93]),
  encodeMsgpack('message'),
]);
const TAIL = Buffer.concat([encodeMsgpack('nsp'), encodeMsgpack('/')]);

class MsgpackFrame implements SocketIoFrame {
  readonly #parts: readonly Buffer[];
  readonly options = packetOptions(this);
  #packet: Buffer | undefined;
  #wire: Buffer | undefined;

  constructor(body: Buffer, cursor: string) {
    this.#parts = [HEAD, body, encodeMsgpack(cursor), TAIL];
  }

  get packet(): Buffer {
    this.#packet ??= Buffer.concat(this.#parts);
    return this.#packet;
  }

  get wire(): Buffer {
    this.#wire ??= binaryFrame(this.#parts);
    return this.#wire;
  }
}

/** A message's own bytes are encoded once, whichever streams its readers subscribe to. */
const bodies = new WeakMap<EncodableMessage, Buffer>();

export const msgpackEncoding: Encoding = {
  name: 'msgpack',
  encode: (message, cursor) => {
    let body = bodies.get(message);
    if (body === undefined) {
      body = encodeMsgpack(JSON.parse(message.text));
      bodies.set(message, body);
    }
    return new MsgpackFrame(body, cursor);
  },
};

class HubEncoder extends parser.Encoder {
  // The server expects a list of buffers, whatever the types say.
  override encode(packet: unknown): ArrayBuffer {
    return [encodeMsgpack(packet)] as unknown as ArrayBuffer;
  }
}

/** Refuses what must not be decoded; Socket.IO then closes the connection. */
class HubDecoder extends parser.Decoder {
  override add(packet: unknown): void {
    if (!Buffer.isBuffer(packet) || !isPlainMsgpack(packet))
      throw new Error('this is not a plain MessagePack packet');
    const decoded = decodeMsgpack(packet);
    this.checkPacket(decoded);
    this.emit('decoded', decoded);
  }
}

/** The parser for `new Server({parser})`: the hub's own codec, behind the guard. */
export const guardedMsgpackParser = { ...parser, Encoder: HubEncoder, Decoder: HubDecoder };
