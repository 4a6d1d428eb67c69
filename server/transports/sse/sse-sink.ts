import type { ServerResponse } from 'node:http';
import type { Link } from '../../hub/chain.js';
import type { Encoding, Frame } from '../../hub/encoding.js';
import type { Sink } from '../../hub/subscriber.js';
import { CLOSE, type CloseCode } from '../../protocol/close-codes.js';
import type { DegradedInfo, ExpiringInfo, GapInfo } from '../../protocol/message.js';

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
  readonly #response: ServerResponse;
  readonly #direct: boolean;

  /** @param direct write on the TCP socket itself; the response must not be chunked */
  constructor(response: ServerResponse, direct: boolean) {
    this.#response = response;
    this.#direct = direct;
    response.write(`retry: ${RETRY_MS}\n\n`);
  }

  write(frames: Link): number {
    const response = this.#response;
    if (response.writableEnded || response.destroyed) return 0;
    const tcp = this.#direct ? response.socket : null;
    if (tcp === null) {
      for (const { wire } of frames.frames()) response.write(wire);
      return response.writableLength;
    }
    tcp.write(frames.joined());
    return tcp.writableLength;
  }

  /** A named event; with `id` it moves the client's `Last-Event-ID`. */
  event(name: string, data: object, id?: string): void {
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
    return this.#response.writableLength;
  }

  close({ code }: CloseCode): void {
    if (code === CLOSE.slow.code) this.#response.destroy();
    else this.#response.end();
  }

  #write(chunk: string): void {
    if (!this.#response.writableEnded && !this.#response.destroyed) this.#response.write(chunk);
  }
}
