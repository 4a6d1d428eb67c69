/** An event stream as it is on the wire. */
import { connect, type Socket } from 'node:net';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { SseSink } from '../../server/transports/sse/sse-sink.js';
import { startTestApp } from '../http/test-app.js';
import { publish } from '../support/http.js';
import { until } from '../support/wait.js';

/** The body of a chunked answer so far, and whether it is complete. */
function dechunked(text: string): { chunks: string[]; complete: boolean } {
  const chunks: string[] = [];
  let rest = Buffer.from(text);
  for (;;) {
    const line = rest.indexOf('\r\n');
    if (line < 0) return { chunks, complete: false };
    const size = Number.parseInt(rest.toString('latin1', 0, line), 16);
    if (size === 0) return { chunks, complete: rest.toString() === '0\r\n\r\n' };
    const end = line + 2 + size;
    if (rest.length < end + 2) return { chunks, complete: false };
    expect(rest.toString('latin1', end, end + 2), 'what ends a chunk').to.equal('\r\n');
    chunks.push(rest.toString('utf8', line + 2, end));
    rest = rest.subarray(end + 2);
  }
}

describe('The bytes of an event stream', () => {
  let app: RunningNode;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    app = await startTestApp();
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await app?.stop();
  });

  function ask(version = '1.1', { halfOpen = false } = {}) {
    const socket = connect({ port: Number(new URL(app.url).port), host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(socket);
    const seen = { text: '', ended: false };
    socket.setEncoding('utf8').on('data', (text: string) => {
      seen.text += text;
    });
    socket.on('end', () => {
      seen.ended = true;
    });
    const request = `GET /stream?topics=news:* HTTP/${version}\r\nHost: localhost\r\n\r\n`;
    if (halfOpen) socket.end(request);
    else socket.write(request);
    return {
      socket,
      seen,
      head: () => seen.text.split('\r\n\r\n', 1)[0]!,
      body: () => seen.text.slice(seen.text.indexOf('\r\n\r\n') + 4),
    };
  }

  it('are chunks, one for each message, in HTTP/1.1', async () => {
    const { head, body } = ask();
    await until('it is positioned', () => body().includes('event: position'));
    expect(head()).to.match(/^transfer-encoding: chunked$/im);
    await publish(app.url, 'news:a', 'first €');
    await until('the message comes', () => body().includes('first'));
    await publish(app.url, 'news:a', 'second');
    await until('the message comes', () => body().includes('second'));
    const { chunks, complete } = dechunked(body());
    expect(complete).to.equal(false);
    const messages = chunks.filter((chunk) => chunk.includes('"topic":"news:a"'));
    expect(
      messages.map((chunk) => JSON.parse(/^id: \S+\ndata: (.*)\n\n$/.exec(chunk)![1]!).data),
    ).to.deep.equal(['first €', 'second']);
  });

  it('last until the connection ends in HTTP/1.0, which knows no chunks', async () => {
    const { head, body } = ask('1.0');
    await until('it is positioned', () => body().includes('event: position'));
    expect(head()).not.to.match(/transfer-encoding/i);
    expect(body()).to.match(/^retry: \d+\nevent: position\nid: /);
  });

  it('say that they are complete where the hub ends the stream', async () => {
    const { body, seen } = ask();
    await until('it is positioned', () => body().includes('event: position'));
    for (const { subscriber } of [...app.hub.subscribers.values()].map((subscriber) => ({ subscriber })))
      subscriber.close(CLOSE.drain);
    await until('it has ended', () => seen.ended);
    expect(dechunked(body()).complete).to.equal(true);
  });

  it('reach a client that has closed its half with its request', async () => {
    const { body, seen } = ask('1.1', { halfOpen: true });
    await until('it is positioned', () => body().includes('event: position'));
    await publish(app.url, 'news:a', 'late');
    await until('the message comes', () => body().includes('late'), { instead: () => seen.text });
    expect(seen.ended).to.equal(false);
  });

  it('find a client that has gone, though nothing is published', async () => {
    const { body, socket } = ask();
    await until('it is positioned', () => body().includes('event: position'));
    expect(app.hub.subscribers.size).to.equal(1);
    socket.destroy();
    await until('the hub has noticed', () => app.hub.subscribers.size === 0, { withinMs: 2_000 });
  });

  it('answer a refused client that has closed its half', async () => {
    const socket = connect({ port: Number(new URL(app.url).port), host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(socket);
    let [text, ended] = ['', false];
    socket.on('data', (data) => {
      text += String(data);
    });
    socket.on('end', () => {
      ended = true;
    });
    socket.end('GET /stream?topics=nothing:a HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until('it has ended', () => ended);
    expect(text).to.match(/^HTTP\/1\.1 404 .*"code":"unknown_stream"/s);
  });
});

describe('The sink of an event stream', () => {
  it('never closes a block that has no data: not at the beginning, and not with a heartbeat', () => {
    const written: string[] = [];
    const socket = { writable: true, writableLength: 0, write: (text: string) => written.push(text) };
    const sink = new SseSink(socket as unknown as Socket, { direct: true, chunked: false });
    sink.comment();
    sink.degraded({ degraded: true, reason: 'log_unavailable', streams: ['news'] });
    sink.comment();
    sink.comment();
    sink.position('news.a.1');
    sink.comment();
    const blocks = written.join('').split('\n\n');
    expect(blocks.pop()).to.equal(':\n');
    for (const block of blocks) expect(block).to.match(/^data: ./m);
    expect(blocks).to.have.length(2);
  });
});
