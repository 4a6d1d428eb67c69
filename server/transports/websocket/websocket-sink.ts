import type { Socket } from 'node:net';
import { CLOSE, type CloseCode } from '@axiom-streaming/protocol/close-codes';
import type { ServerFrame } from '@axiom-streaming/protocol/frames';
import type { DegradedInfo, ExpiringInfo, GapInfo } from '@axiom-streaming/protocol/message';
import type { WebSocket } from 'ws';
import type { Encoding, Frame } from '../../hub/delivery/encoding.js';
import type { FrameChain } from '../../hub/delivery/frame-chain.js';
import type { Sink } from '../../hub/delivery/subscriber.js';
import { textFrame } from '../server-frame.js';

const webSocketEncoding: Encoding = {
  name: 'websocket',
  encode: ({ text }, cursor): Frame => ({
    wire: textFrame(`{"op":"message","message":${text},"cursor":"${cursor}"}`),
  }),
};

/**
 * The parts below a `ws` socket: the sender, which writes finished frames, and the TCP socket. The one cast to
 * internals of ws 8, because the same frames go to every connection and the public `send` would build them again for
 * each.
 */
interface Below {
  readonly _sender: { sendFrame(frame: readonly Buffer[]): void };
  readonly _socket: Socket;
}

/** The hub's end of a plain WebSocket connection. */
export class WebSocketSink implements Sink {
  readonly encoding = webSocketEncoding;
  readonly #socket: WebSocket;
  readonly #below: Below;
  readonly #direct: boolean;

  /** @param direct write on the TCP socket itself */
  constructor(socket: WebSocket, direct: boolean) {
    this.#socket = socket;
    this.#below = socket as unknown as Below;
    this.#direct = direct;
  }

  /** Sends one JSON frame. */
  send(frame: ServerFrame): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  write(frames: FrameChain): number {
    if (this.#socket.readyState !== this.#socket.OPEN) return 0;
    if (this.#direct) {
      const tcp = this.#below._socket;
      tcp.write(frames.joined());
      return tcp.writableLength;
    }
    for (const { wire } of frames.frames()) this.#below._sender.sendFrame([wire]);
    return this.#socket.bufferedAmount;
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

  expiring(info: ExpiringInfo): void {
    this.send({ op: 'expiring', ...info });
  }

  bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  close({ code, name }: CloseCode): void {
    this.#socket.close(code, name);
    // A close frame would wait behind the data that a slow reader does not take.
    if (code === CLOSE.slow.code || code === CLOSE.noPong.code) this.#terminateSoon();
  }

  #terminateSoon(): void {
    setTimeout(() => this.#socket.terminate(), 1_000).unref();
  }
}
