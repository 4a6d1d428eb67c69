import type { ServerResponse } from 'node:http';
import type { Encoding, Frame } from '../../hub/encoding.js';
import type { Sink } from '../../hub/subscriber.js';
import { CLOSE, type CloseCode } from '../../protocol/close-codes.js';
import type { DegradedInfo, GapInfo } from '../../protocol/message.js';

/** What a client waits before it returns. */
export const RETRY_MS = 1_000;

class SseFrame implements Frame {
  readonly chunk: Buffer;

  // Message texts have no line breaks (see `jsonText`), so one `data:` line carries each.
  constructor(text: string, cursor: string) {
    this.chunk = Buffer.from(`id: ${cursor}\ndata: ${text}\n\n`);
  }

  get bytes(): number {
    return this.chunk.length;
  }
}

const sseEncoding: Encoding = {
  name: 'sse',
  encode: (text, cursor) => new SseFrame(text, cursor),
};

/** The hub's end of an event stream. */
export class SseSink implements Sink {
  readonly encoding = sseEncoding;
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.write(`retry: ${RETRY_MS}\n\n`);
  }

  write(frame: Frame): void {
    this.#write((frame as SseFrame).chunk);
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

  bufferedBytes(): number {
    return this.#response.writableLength;
  }

  close({ code }: CloseCode): void {
    if (code === CLOSE.slow.code) this.#response.destroy();
    else this.#response.end();
  }

  #write(chunk: Buffer | string): void {
    if (!this.#response.writableEnded && !this.#response.destroyed) this.#response.write(chunk);
  }
}
