import type { Socket } from 'node:net';
import { CLOSE, type CloseCode } from '@axiom-streaming/protocol/close-codes';
import type { StreamEvents } from '@axiom-streaming/protocol/frames';
import type { DegradedInfo, ExpiringInfo, GapInfo } from '@axiom-streaming/protocol/message';
import type { EncodableMessage, Encoding, Frame } from '../../hub/delivery/encoding.js';
import type { FrameChain } from '../../hub/delivery/frame-chain.js';
import type { Sink } from '../../hub/delivery/subscriber.js';

/** What a client waits before it returns. */
export const RETRY_MS = 1_000;

/** The framing of a stream in the body of its answer. There is one object per framing, so messages are encoded once. */
class SseEncoding implements Encoding {
  readonly name = 'sse';
  readonly #chunked: boolean;

  /** @param chunked each piece is a chunk of HTTP/1.1; otherwise the end of the connection is the end of the body */
  constructor(chunked: boolean) {
    this.#chunked = chunked;
  }

  // Message texts have no line breaks (see `jsonText`), so one `data:` line carries each.
  encode({ text }: EncodableMessage, cursor: string): Frame {
    return { wire: Buffer.from(this.frame(`id: ${cursor}\ndata: ${text}\n\n`)) };
  }

  frame(text: string): string {
    return this.#chunked ? `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n` : text;
  }

  /** The bytes that end the body. */
  get end(): string {
    return this.#chunked ? '0\r\n\r\n' : '';
  }
}

const CHUNKED = new SseEncoding(true);
const TO_THE_END = new SseEncoding(false);

/** The hub's end of an event stream. */
export class SseSink implements Sink {
  readonly encoding: SseEncoding;
  readonly #socket: Socket;
  readonly #direct: boolean;

  /**
   * @param socket the TCP connection, after the head of the answer
   * @param options.direct write the frames of a flush joined
   * @param options.chunked as the head says; false for a client of HTTP/1.0
   */
  constructor(socket: Socket, { direct, chunked }: { direct: boolean; chunked: boolean }) {
    this.#socket = socket;
    this.#direct = direct;
    this.encoding = chunked ? CHUNKED : TO_THE_END;
    // No empty line: some clients take a block without data for an empty message. It belongs to the first event.
    this.#write(`retry: ${RETRY_MS}\n`);
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

  /** A comment line, which is part of the next block. */
  comment(): void {
    this.#write(':\n');
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
    if (code === CLOSE.slow.code) {
      this.#socket.destroy();
      return;
    }
    if (this.#socket.writable) this.#socket.write(this.encoding.end);
    this.#socket.destroySoon();
  }

  #write(text: string): void {
    if (this.#socket.writable) this.#socket.write(this.encoding.frame(text));
  }
}
