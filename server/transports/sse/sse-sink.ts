import type { Socket } from 'node:net';
import { CLOSE, type CloseCode } from '@axiom-streaming/protocol/close-codes';
import type { StreamEvents } from '@axiom-streaming/protocol/frames';
import type { DegradedInfo, ExpiringInfo, GapInfo } from '@axiom-streaming/protocol/message';
import type { Encoding, Frame } from '../../hub/delivery/encoding.js';
import type { FrameChain } from '../../hub/delivery/frame-chain.js';
import type { Sink } from '../../hub/delivery/subscriber.js';

/** What a client waits before it returns. */
export const RETRY_MS = 1_000;

const sseEncoding: Encoding = {
  name: 'sse',
  // Message texts have no line breaks (see `jsonText`), so one `data:` line carries each.
  encode: ({ text }, cursor): Frame => ({ wire: Buffer.from(`id: ${cursor}\ndata: ${text}\n\n`) }),
};

/** The hub's end of an event stream. */
export class SseSink implements Sink {
  readonly encoding = sseEncoding;
  readonly #socket: Socket;
  readonly #direct: boolean;

  /**
   * @param socket the TCP connection, after the head of the answer
   * @param direct write the frames of a flush joined
   */
  constructor(socket: Socket, direct: boolean) {
    this.#socket = socket;
    this.#direct = direct;
    this.#write(`retry: ${RETRY_MS}\n\n`);
  }

  write(frames: FrameChain): number {
    const socket = this.#socket;
    if (!socket.writable) return 0;
    if (this.#direct) socket.write(frames.joined());
    else for (const { wire } of frames.frames()) socket.write(wire);
    return socket.writableLength;
  }

  /** A named event; with `id` it moves the client's `Last-Event-ID`. */
  event<Name extends keyof StreamEvents>(name: Name, data: StreamEvents[Name], id?: string): void {
    this.#write(`event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
  }

  comment(): void {
    this.#write(':\n\n');
  }

  position(cursor: string): void {
    this.event('position', { cursor }, cursor);
  }

  gap(info: GapInfo): void {
    this.event('gap', info);
  }

  degraded(info: DegradedInfo): void {
    this.event('degraded', info);
  }

  drain(reconnectInMs: number): void {
    this.event('drain', { reconnectInMs });
  }

  expiring(info: ExpiringInfo): void {
    this.event('expiring', info);
  }

  bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  close({ code }: CloseCode): void {
    if (code === CLOSE.slow.code) this.#socket.destroy();
    else this.#socket.destroySoon();
  }

  #write(chunk: string): void {
    if (this.#socket.writable) this.#socket.write(chunk);
  }
}
