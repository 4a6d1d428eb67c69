/** What the hub uses of `node:http` beyond its documentation, to keep an event stream's connection and nothing else. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import {
  allowHalfOpen,
  detachFromHttp,
  whenHalfClosed,
} from '../../server/transports/sse/detach-from-http.js';
import { until } from '../support/wait.js';

describe('A connection that is detached from HTTP', () => {
  let server: Server;
  let taken: { socket: Socket; request: WeakRef<IncomingMessage>; response: WeakRef<ServerResponse> }[];
  const clients: Socket[] = [];

  beforeEach(async () => {
    taken = [];
    server = createServer((request, response) => {
      allowHalfOpen(response);
      response.setHeader('Content-Type', 'text/event-stream');
      response.setHeader('Vary', ['Origin', 'Accept']);
      void detachFromHttp(response).then((socket) => {
        if (socket === undefined) return;
        taken.push({ socket, request: new WeakRef(request), response: new WeakRef(response) });
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
    server.closeAllConnections();
    server.close();
  });

  function ask(more = ''): { client: Socket; text: () => string } {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    clients.push(client);
    let text = '';
    client.on('data', (data) => {
      text += data.toString();
    });
    client.write(`GET / HTTP/1.1\r\nHost: hub\r\n\r\n${more}`);
    return { client, text: () => text };
  }

  it('carries the head with every header that was set, then exactly what is written', async () => {
    const { text } = ask();
    await until('it is taken', () => taken.length === 1);
    taken[0]!.socket.write('data: 1\n\n');
    await until('the body has come', () => text().endsWith('data: 1\n\n'));
    const [head, body] = text().split('\r\n\r\n') as [string, string];
    expect(head.split('\r\n')[0]).to.equal('HTTP/1.1 200 OK');
    expect(head).to.match(/^content-type: text\/event-stream$/im);
    expect(head).to.match(/^connection: close$/im);
    expect(head).to.match(/^date: .* GMT$/im);
    expect(head)
      .to.match(/^vary: Origin$/im)
      .and.to.match(/^vary: Accept$/im);
    expect(head).not.to.match(/transfer-encoding|content-length/i);
    expect(body).to.equal('data: 1\n\n');
  });

  it('reads nothing of what its client still sends, and sees its end', async () => {
    const { client } = ask('GET /again HTTP/1.1\r\nHost: hub\r\n\r\n');
    await until('it is taken', () => taken.length === 1);
    client.write('x'.repeat(200_000));
    await until('the bytes are read', () => taken[0]!.socket.bytesRead > 200_000);
    const gone = new Promise((resolve) => taken[0]!.socket.on('close', resolve));
    client.resetAndDestroy();
    await gone;
  });

  it('stays open for a client that has closed its half', async () => {
    const { client, text } = ask();
    client.end();
    await until('it is taken', () => taken.length === 1);
    const { socket } = taken[0]!;
    await new Promise<void>((resolve) => whenHalfClosed(socket, resolve));
    socket.write('data: late\n\n');
    await until('it still reads', () => text().endsWith('data: late\n\n'));
    socket.destroy();
  });

  it('sees a reset as an end', async () => {
    const { client } = ask();
    await until('it is taken', () => taken.length === 1);
    const gone = new Promise((resolve) => taken[0]!.socket.on('close', resolve));
    client.resetAndDestroy();
    await gone;
  });

  it('is not taken where the client has gone before', async () => {
    const { client } = ask();
    server.prependOnceListener('request', () => client.destroy());
    const [, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
    await until(
      'the response is closed',
      () => response.destroyed || response.socket === null || taken.length > 0,
    );
    // Either the end was seen in time, or what is written finds it: nothing stays behind.
    if (taken.length > 0) {
      await until('a write finds that it has gone', () => {
        const { socket } = taken[0]!;
        if (socket.writable) socket.write(':\n');
        return socket.destroyed;
      });
    }
  });

  it('outlives the timeouts of the server, and closes with the last of its connections', async () => {
    server.requestTimeout = 50;
    server.headersTimeout = 50;
    server.keepAliveTimeout = 50;
    ask();
    await until('it is taken', () => taken.length === 1);
    const { socket } = taken[0]!;
    expect(socket.timeout).to.equal(0);
    let closed = false;
    server.close(() => {
      closed = true;
    });
    expect(closed).to.equal(false);
    socket.destroy();
    await until('the server has closed', () => closed);
  });

  it("keeps the listeners of others, and none of HTTP's", async () => {
    let heard = 0;
    server.on('connection', (socket) => socket.on('close', () => (heard += 1)));
    ask();
    await until('it is taken', () => taken.length === 1);
    const { socket } = taken[0]!;
    const names = ['data', 'end', 'close', 'drain', 'error', 'timeout', 'pause', 'resume'].flatMap((event) =>
      socket.rawListeners(event).map(({ name }) => name),
    );
    expect(names.filter((name) => /socketOn|onSocket/.test(name))).to.deep.equal([]);
    socket.destroy();
    await until('the other listener has heard', () => heard === 1);
  });

  it('keeps neither request, response nor parser', async () => {
    ask();
    await until('it is taken', () => taken.length === 1);
    const { socket, request, response } = taken[0]!;
    expect((socket as unknown as { parser: unknown }).parser).to.equal(null);
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    await until('they are collected', () => {
      gc();
      return request.deref() === undefined && response.deref() === undefined;
    });
  });
});
