import type { WebSocket } from 'ws';
import type { Encoding, Frame } from '../../hub/encoding.js';
import type { Sink } from '../../hub/subscriber.js';
import { CLOSE, type CloseCode } from '../../protocol/close-codes.js';
import type { DegradedInfo, GapInfo } from '../../protocol/message.js';
import { textFrame } from '../text-frame.js';

class WebSocketFrame implements Frame {
  readonly frame: readonly [Buffer];

  constructor(text: string, cursor: string) {
    this.frame = [textFrame(`{"op":"message","message":${text},"cursor":"${cursor}"}`)];
  }

  get bytes(): number {
    return this.frame[0].length;
  }
}

const webSocketEncoding: Encoding = {
  name: 'websocket',
  encode: (text, cursor) => new WebSocketFrame(text, cursor),
};

/**
 * The sender below a `ws` socket, which writes finished frames. The one cast to internals of ws 8; the same frames go
 * to every connection, and the public `send` would frame each anew.
 */
interface FrameSender {
  readonly _sender: { sendFrame(frame: readonly Buffer[]): void };
}

/** The hub's end of a plain WebSocket connection. */
export class WebSocketSink implements Sink {
  readonly encoding = webSocketEncoding;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Sends one JSON frame. */
  send(frame: object): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  write(frame: Frame): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    (this.#socket as unknown as FrameSender)._sender.sendFrame((frame as WebSocketFrame).frame);
  }

  position(cursor: string): void {
    this.send({ op: 'position', cursor });
  }

  gap(info: GapInfo): void {
    this.send({ op: 'gap', ...info });
  }

  degraded(info: DegradedInfo): void {
    this.send({ op: 'degraded', ...info });
  }

  drain(reconnectInMs: number): void {
    this.send({ op: 'drain', reconnectInMs });
  }

  bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  close({ code, name }: CloseCode): void {
    this.#socket.close(code, name);
    // A close frame waits behind what a slow reader does not take.
    if (code === CLOSE.slow.code || code === CLOSE.noPong.code) this.#terminateSoon();
  }

  #terminateSoon(): void {
    setTimeout(() => this.#socket.terminate(), 1_000).unref();
  }
}
