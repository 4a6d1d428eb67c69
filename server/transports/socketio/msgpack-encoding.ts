/** Socket.IO packets in MessagePack, for clients that use `socket.io-msgpack-parser`. */

import { isPlainMsgpack } from '@axiom-streaming/protocol/msgpack-guard';
import parser from 'socket.io-msgpack-parser';
import type { EncodableMessage, Encoding } from '../../hub/delivery/encoding.js';
import { binaryFrame } from '../server-frame.js';
import { packetOptions } from './engine-connection.js';
import type { SocketIoFrame } from './message-encoding.js';

const encoder = new parser.Encoder();

/** Any value as MessagePack: the parser's encoder takes what it is given. */
function pack(value: unknown): Buffer {
  const [bytes] = encoder.encode(value as Parameters<typeof encoder.encode>[0]) as unknown as [Buffer];
  return bytes;
}

// { type: 2 (EVENT), data: ["message", message, cursor], nsp: "/" }, split around the parts that vary.
const HEAD = Buffer.concat([
  Buffer.from([0x83]),
  pack('type'),
  pack(2),
  pack('data'),
  Buffer.from([0x93]),
  pack('message'),
]);
const TAIL = Buffer.concat([pack('nsp'), pack('/')]);

class MsgpackFrame implements SocketIoFrame {
  readonly #parts: readonly Buffer[];
  readonly options = packetOptions(this);
  #packet: Buffer | undefined;
  #wire: Buffer | undefined;

  constructor(body: Buffer, cursor: string) {
    this.#parts = [HEAD, body, pack(cursor), TAIL];
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
      body = pack(JSON.parse(message.text));
      bodies.set(message, body);
    }
    return new MsgpackFrame(body, cursor);
  },
};

/** Refuses what must not be decoded; Socket.IO then closes the connection. */
class GuardedDecoder extends parser.Decoder {
  override add(packet: unknown): void {
    if (!Buffer.isBuffer(packet) || !isPlainMsgpack(packet))
      throw new Error('this is not a plain MessagePack packet');
    super.add(packet);
  }
}

/** The parser for `new Server({parser})`: its own encoder, and its decoder behind the guard. */
export const guardedMsgpackParser = { ...parser, Decoder: GuardedDecoder };
