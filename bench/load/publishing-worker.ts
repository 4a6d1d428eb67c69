/** A process that publishes over HTTP or WebSocket as fast as answers arrive, and counts them. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** The order to the worker. */
export interface PublishingOrder {
  readonly way: 'single' | 'batch' | 'websocket';
  readonly port: number;
  readonly connections: number;
  /** Requests in flight per connection. */
  readonly inFlight: number;
  readonly batchSize: number;
  readonly token: string;
}

/** Its answer to `count`: acknowledged messages, and answers that were refusals. */
export interface PublishingAnswer {
  readonly acknowledged: number;
  readonly refused: number;
}

const DATA = JSON.stringify({ price: 187.25, size: 100, venue: 'X', pad: 'x'.repeat(40) });

let acknowledged = 0;
let refused = 0;
let started = false;

process.on('message', (order: PublishingOrder | 'count') => {
  if (order !== 'count' && !started) {
    started = true;
    for (let i = 0; i < order.connections; i++) start(order, i);
  }
  process.send?.({ acknowledged, refused } satisfies PublishingAnswer);
});

function start(order: PublishingOrder, index: number): void {
  const { way, port, inFlight, batchSize } = order;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const messages = way === 'batch' ? batchSize : 1;
  const request = way === 'websocket' ? frame(index) : httpRequest(order, index);
  // Each answer contains this exactly once.
  const mark = way === 'websocket' ? '"op":"ack"' : 'HTTP/1.1 ';
  let rest = '';
  const answered = (text: string) => {
    const data = rest + text;
    let count = 0;
    let at = data.indexOf(mark);
    let end = 0;
    // The status or the verdict follows the mark.
    while (at >= 0 && at + mark.length + 24 <= data.length) {
      const ok =
        way === 'websocket' ? data.indexOf('"ok":true', at) - at < 24 : data[at + mark.length] === '2';
      if (ok) acknowledged += messages;
      else refused += messages;
      count += 1;
      end = at + mark.length;
      at = data.indexOf(mark, end);
    }
    rest = data.slice(Math.max(end, data.length - 256));
    if (count > 0) socket.write(Buffer.concat(Array.from({ length: count }, () => request)));
  };
  const begin = () => socket.write(Buffer.concat(Array.from({ length: inFlight }, () => request)));
  if (way === 'websocket') upgrade(socket, order.token, begin, answered);
  else {
    socket.setEncoding('latin1').on('data', (text: string) => answered(text));
    socket.once('connect', begin);
  }
  socket.on('error', () => {
    refused += 1;
  });
}

function httpRequest({ way, batchSize, token }: PublishingOrder, index: number): Buffer {
  const topic = `market:P${index}`;
  const body =
    way === 'single'
      ? DATA
      : `[${Array.from({ length: batchSize }, () => `{"topic":"${topic}","data":${DATA}}`).join()}]`;
  const path = way === 'single' ? `/api/topics/${topic}/messages` : '/api/messages';
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function frame(index: number): Buffer {
  const body = Buffer.from(`{"op":"publish","id":1,"topic":"market:P${index}","data":${DATA}}`);
  const mask = randomBytes(4);
  const header = Buffer.from([0x81, 0x80 | 126, body.length >> 8, body.length & 0xff]);
  for (let i = 0; i < body.length; i++) body[i]! ^= mask[i % 4]!;
  return Buffer.concat([header, mask, body]);
}

function upgrade(socket: Socket, token: string, begin: () => void, answered: (text: string) => void): void {
  socket.once('connect', () => {
    socket.write(
      `GET /ws HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
    );
  });
  socket.setEncoding('latin1').once('data', () => {
    socket.on('data', (text: string) => answered(text));
    begin();
  });
}
