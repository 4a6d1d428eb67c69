/**
 * The floor: the least that it costs Node.js to write these bytes. Messages come over the same Redis and are framed
 * once. Each TCP socket gets one `write` per flush with the frames of its topics, which are joined only once if all
 * sockets read the same topics. Flushes are paced like the hub's. Nothing else is done: no order, no recovery, no
 * budgets.
 */

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { createClient } from '@redis/client';
import { textFrame } from '../../server/transports/server-frame.js';

const REST_PER_COST = 2;
const WINDOW_MS = 10;
const UUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

interface Reader {
  readonly socket: Socket;
  frames: Buffer[];
}

const readers = new Map<string, Reader[]>();
let waiting: Reader[] = [];
let frames: { topic: string; frame: Buffer }[] = [];
let scheduled = false;
let restUntil = 0;

function flush(): void {
  const started = performance.now();
  scheduled = false;
  const batch = frames;
  frames = [];
  if (readers.size === 1) {
    const joined = batch.length === 1 ? batch[0]!.frame : Buffer.concat(batch.map(({ frame }) => frame));
    for (const { socket } of readers.get(batch[0]!.topic) ?? []) socket.write(joined);
  } else {
    for (const { topic, frame } of batch) {
      for (const reader of readers.get(topic) ?? []) {
        if (reader.frames.length === 0) waiting.push(reader);
        reader.frames.push(frame);
      }
    }
    for (const reader of waiting) {
      reader.socket.write(reader.frames.length === 1 ? reader.frames[0]! : Buffer.concat(reader.frames));
      reader.frames = [];
    }
    waiting = [];
  }
  const ended = performance.now();
  restUntil = ended + Math.min(WINDOW_MS, REST_PER_COST * (ended - started));
}

const client = createClient({ url: process.env.REDIS_URL ?? '' });
await client.connect();
await client.subscribe('bench', (payload) => {
  const space = payload.indexOf(' ');
  frames.push({ topic: payload.slice(0, space), frame: textFrame(payload.slice(space + 1)) });
  if (scheduled) return;
  scheduled = true;
  const wait = restUntil - performance.now();
  if (wait < 1) setImmediate(flush);
  else setTimeout(flush, wait);
});

const server = createServer();
server.on('upgrade', (request, stream) => {
  const socket = stream as Socket;
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${UUID}`).digest('base64');
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.once('data', (data) => {
    // A load connection sends only one frame: masked, with its topics as JSON.
    const length = data[1]! & 0x7f;
    const header = length < 126 ? 2 : 4;
    const mask = data.subarray(header, header + 4);
    const body = data.subarray(header + 4).map((byte, i) => byte ^ mask[i % 4]!);
    const { topics } = JSON.parse(Buffer.from(body).toString()) as { topics: string[] };
    const reader: Reader = { socket, frames: [] };
    for (const topic of topics) {
      const list = readers.get(topic);
      if (list === undefined) readers.set(topic, [reader]);
      else list.push(reader);
    }
    socket.write(textFrame('ready'));
  });
});
server.listen(Number(process.env.PORT), '127.0.0.1');
