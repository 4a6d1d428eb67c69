/**
 * A lean load connection: a raw TCP socket that counts messages without parsing them, the least work that a byte stream
 * allows. The connections of a sample do parse them, to check order and content.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { ChunkedBody } from './chunked-body.js';

export type Protocol = 'socketio' | 'websocket' | 'sse' | 'stock' | 'ws' | 'nats' | 'nchan';

/** What a client keeps in order to resume: the last cursor, and on Socket.IO the private id of its session. */
export interface Resumable {
  readonly cursor: string;
  readonly pid?: string | undefined;
}

/** The server has told a returning client that it was not recovered. */
export class NotRecovered extends Error {}

export interface ConnectionOptions {
  readonly protocol: Protocol;
  readonly port: number;
  readonly localAddress: string;
  readonly topics: readonly string[];
  /** Resumes what an earlier connection left; if the server refuses, the connection fails. */
  readonly resume?: Resumable | undefined;
  /** Called with each message, for connections of the sample. */
  readonly onMessage?: ((text: string) => void) | undefined;
}

/** Shorter frames are not messages, but acknowledgements, heartbeats or positions. */
const SHORTEST_MESSAGE = 100;

export class LoadConnection {
  messages = 0;
  bytes = 0;
  /** Pings; on SSE, comments. */
  heartbeats = 0;
  /** The cursor of the subscription. */
  cursor: string | undefined;
  /** Of a Socket.IO session. */
  pid: string | undefined;
  readonly ready: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #chunks = new ChunkedBody();
  #subscribed: () => void = () => undefined;
  /** Frames before the acknowledgement of the subscription are not messages. */
  #counting = false;
  #upgraded = false;
  #rest: Buffer | undefined;
  #skip = 0;
  closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { port, localAddress } = options;
    this.#socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
    this.ready = new Promise((resolve, reject) => {
      this.#subscribed = () => {
        this.#counting = true;
        resolve();
      };
      this.#socket.once('error', reject);
      this.#socket.once('close', () => {
        this.closed = true;
        reject(new Error(`the connection was closed before it was subscribed (${options.protocol})`));
      });
    });
    this.#socket.once('connect', () => this.#handshake());
    this.#socket.on('data', (chunk) => this.#receive(chunk));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Stops reading, like a client that hangs. */
  stall(): void {
    this.#socket.pause();
  }

  #handshake(): void {
    const { protocol, topics } = this.#options;
    const query = topics.map(encodeURIComponent).join(',');
    const path = {
      socketio: '/socket.io/?EIO=4&transport=websocket',
      stock: '/socket.io/?EIO=4&transport=websocket',
      websocket: '/ws',
      ws: '/',
      nats: '/',
      nchan: `/sub?id=${encodeURIComponent(topics[0]!)}`,
      sse: `/stream?topics=${query}`,
    }[protocol];
    const upgrade =
      protocol === 'sse'
        ? this.#options.resume === undefined
          ? ''
          : `Last-Event-ID: ${this.#options.resume.cursor}\r\n`
        : `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n`;
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${upgrade}\r\n`);
  }

  #receive(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (!this.#upgraded) {
      const end = chunk.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!/^HTTP\/1\.1 (101|200)/.test(chunk.toString('latin1', 0, 15))) {
        this.#socket.destroy(new Error(`refused: ${chunk.toString('latin1', 0, 60)}`));
        return;
      }
      this.#upgraded = true;
      this.#greet();
      if (end + 4 < chunk.length) this.#receive(chunk.subarray(end + 4));
      return;
    }
    if (this.#options.protocol === 'sse') this.#countEvents(this.#chunks.read(chunk));
    else this.#countFrames(chunk);
  }

  /** Authenticates and subscribes, in each protocol. */
  #greet(): void {
    const { protocol, topics, resume } = this.#options;
    if (protocol === 'socketio' || protocol === 'stock') {
      const { pid, cursor } = resume ?? {};
      this.#send(pid === undefined ? '40' : `40${JSON.stringify({ pid, offset: cursor })}`);
    }
    if (protocol === 'websocket')
      this.#send(JSON.stringify({ op: 'subscribe', id: 1, topics, since: resume?.cursor }));
    if (protocol === 'ws') this.#send(JSON.stringify({ topics }));
    if (protocol === 'nats') {
      const subscriptions = topics.map((topic, i) => `SUB ${natsSubject(topic)} ${i + 1}\r\n`).join('');
      this.#send(`CONNECT {"verbose":false,"pedantic":false}\r\n${subscriptions}PING\r\n`);
    }
    if (protocol === 'nchan') this.#subscribed();
  }

  #countFrames(chunk: Buffer): void {
    let data = chunk;
    if (this.#rest !== undefined) {
      data = Buffer.concat([this.#rest, chunk]);
      this.#rest = undefined;
    }
    let at = this.#skip;
    while (at < data.length) {
      const left = data.length - at;
      if (left < 2) break;
      const short = data[at + 1]! & 0x7f;
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (left < header) break;
      const length =
        short < 126
          ? short
          : short === 126
            ? data.readUInt16BE(at + 2)
            : Number(data.readBigUInt64BE(at + 2));
      const opcode = data[at]! & 0x0f;
      const isMessage = this.#counting && length >= SHORTEST_MESSAGE && opcode <= 2;
      // A frame that is parsed must be complete; messages are only counted, unless this connection is in the sample.
      if (
        (!isMessage || this.#options.onMessage !== undefined || this.#options.protocol === 'nats') &&
        left < header + length
      )
        break;
      if (isMessage && this.#options.protocol !== 'nats') {
        this.messages += 1;
        this.#options.onMessage?.(data.toString('utf8', at + header, at + header + length));
      } else {
        this.#control(opcode, data.subarray(at + header, at + header + length));
      }
      at += header + length;
    }
    if (at < data.length) {
      this.#rest = data.subarray(at);
      this.#skip = 0;
    } else {
      this.#skip = at - data.length;
    }
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === 9) {
      this.heartbeats += 1;
      this.#send(payload, 10);
    }
    if (opcode > 2) return;
    const { protocol, topics, resume } = this.#options;
    if (protocol === 'nats') {
      this.#countNats(payload);
      return;
    }
    const text = payload.toString('utf8');
    if (protocol === 'socketio' || protocol === 'stock') {
      if (text === '2') {
        this.heartbeats += 1;
        this.#send('3');
      }
      if (text.startsWith('40{')) {
        this.pid = /"pid":"([^"]+)"/.exec(text)?.[1];
        if (resume === undefined) this.#send(`420${JSON.stringify(['subscribe', { topics }])}`);
      }
      // A resumed session needs no subscription.
      if (text.startsWith(resume === undefined ? '430' : '42["welcome"')) this.#accepted(text);
    } else if (text.includes('"op":"ack"') || text === 'ready') {
      this.#accepted(text);
    }
  }

  /** The server has answered the subscription, or the return. */
  #accepted(answer: string): void {
    if (this.#options.resume !== undefined && !answer.includes('"recovered":true')) {
      const isRefusal = answer.includes('"ok":false');
      const told = answer.slice(0, 300);
      this.#socket.destroy(isRefusal ? new Error(`refused: ${told}`) : new NotRecovered(told));
      return;
    }
    this.cursor = /"cursor":"([^"]+)"/.exec(answer)?.[1];
    this.#subscribed();
  }

  /** NATS messages are lines within frames: `MSG <subject> <sid> <size>` and the payload. */
  #countNats(payload: Buffer): void {
    for (let at = payload.indexOf('MSG '); at >= 0; at = payload.indexOf('\nMSG ', at + 4)) {
      this.messages += 1;
      if (this.#options.onMessage !== undefined) {
        const start = payload.indexOf('\n', at + 1) + 1;
        this.#options.onMessage(payload.toString('utf8', start, payload.indexOf('\r', start)));
      }
    }
    if (payload.includes('PONG')) this.#subscribed();
    if (payload.includes('PING')) this.#send('PONG\r\n');
  }

  /** An event ends with an empty line; only events with `data:` after `id:` are messages, so lines are counted. */
  #countEvents(chunk: Buffer): void {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      // A comment precedes the block that follows it.
      while (data[at] === 0x3a /* : */ && data[at + 1] === 0x0a /* LF */) {
        this.heartbeats += 1;
        at += 2;
      }
      const end = data.indexOf('\n\n', at);
      if (end < 0) break;
      if (data[at] === 0x69 /* i of id: */) {
        this.messages += 1;
        if (this.#options.onMessage !== undefined) {
          const text = data.toString('utf8', at, end);
          this.#options.onMessage(text.slice(text.indexOf('\ndata: ') + 7));
        }
      } else if (!this.#counting) {
        const text = data.toString('utf8', at, end);
        if (/^(retry: \d+\n)?event: position\n/.test(text)) this.#accepted(text);
      }
      at = end + 2;
    }
    this.#rest = at < data.length ? data.subarray(at) : undefined;
  }

  #send(payload: string | Buffer, opcode = 1): void {
    const body = Buffer.from(payload as string);
    const mask = randomBytes(4);
    const header = body.length < 126 ? Buffer.from([0x80 | opcode, 0x80 | body.length]) : Buffer.alloc(4);
    if (body.length >= 126) {
      header[0] = 0x80 | opcode;
      header[1] = 0x80 | 126;
      header.writeUInt16BE(body.length, 2);
    }
    for (let i = 0; i < body.length; i++) body[i]! ^= mask[i % 4]!;
    this.#socket.write(Buffer.concat([header, mask, body]));
  }
}

/** NATS uses dots instead of the hub's colons. */
export function natsSubject(topic: string): string {
  return topic.replace(':', '.');
}
