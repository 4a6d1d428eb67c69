/** Answers that nobody reads are bounded in bytes and in time, whatever the route. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import {
  MAX_PIPELINED,
  UNREAD_BYTES_PER_ADDRESS,
  UnreadAnswers,
  type UnreadAnswersOptions,
} from '../../server/node/unread-answers.js';
import { bearer, startSecuredApp, token } from '../auth/support.js';
import { call } from '../support/http.js';
import { until } from '../support/wait.js';

const MIB = 1024 * 1024;
const LARGE = 32 * MIB;

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Requests on one connection, sent together. Nothing is read unless the caller does. */
function requests(port: number, path: string, { count = 1, from = '203.0.113.1' } = {}): Socket {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
  const text = `GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\nX-Forwarded-For: ${from}\r\n\r\n`;
  socket.write(text.repeat(count));
  return socket;
}

describe('An answer that is not read', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];

  const serve = async (options: Partial<UnreadAnswersOptions>) => {
    const refused: string[] = [];
    const unread = new UnreadAnswers({
      addressOf: ({ headers }) => String(headers['x-forwarded-for']),
      onRefused: (limit) => refused.push(limit),
      ...options,
    });
    let worked = 0;
    const unfinished: ServerResponse[] = [];
    const server = createServer((request, response) => {
      worked += 1;
      if (request.url === '/slow') {
        response.write(Buffer.alloc(LARGE));
        unfinished.push(response);
      } else {
        response.end(request.url === '/large' ? Buffer.alloc(LARGE) : 'small');
      }
    });
    unread.guard(server);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const ask = (path: string, settings?: { count?: number; from?: string }) => {
      const socket = requests(port, path, settings);
      sockets.push(socket);
      return socket;
    };
    const get = (from: string, path = '/small') =>
      fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'X-Forwarded-For': from } });
    const finish = () => {
      for (const response of unfinished) response.end();
    };
    return { unread, refused, ask, get, finish, worked: () => worked };
  };

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  it('is cut when nothing of it is taken; one that is read slowly is not', async () => {
    const { unread, ask } = await serve({ unreadMs: 1_500 });
    const reader = ask('/large', { from: '203.0.113.2' });
    const idle = ask('/large');
    let read = 0;
    reader.on('data', (chunk) => {
      read += chunk.length;
      reader.pause();
      setTimeout(() => reader.resume(), 5);
    });
    await until('all is read', () => read > LARGE, { withinMs: 60_000 });
    await until('the other is cut', () => unread.cut === 1, { withinMs: 60_000 });
    idle.resume();
    await closed(idle);
    await until('nothing waits', () => unread.bytes === 0);
    expect(reader.destroyed).to.equal(false);
  });

  it('is not cut for what the node has not made yet', async () => {
    const { unread, ask, finish } = await serve({ unreadMs: 500 });
    const socket = ask('/slow');
    ask('/large', { from: '203.0.113.2' });
    socket.write('GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n');
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    // These show that there was time enough.
    await until('the other is cut', () => unread.cut === 1, { withinMs: 30_000 });
    ask('/large', { from: '203.0.113.3' });
    await until('a third is cut', () => unread.cut === 2, { withinMs: 30_000 });
    ask('/large', { from: '203.0.113.4' });
    await until('a fourth is cut', () => unread.cut === 3, { withinMs: 30_000 });
    finish();
    await until('both answers have come', () => text.endsWith('small'), { withinMs: 30_000 });
    expect(unread.cut).to.equal(3);
  });

  it('lets no more be asked for by its address, and others go on', async () => {
    const { unread, refused, ask, get, worked } = await serve({ perAddress: 8 * MIB });
    const idle = ask('/large');
    await until('it waits', () => unread.bytes > 8 * MIB);
    const before = worked();
    const answer = await get('203.0.113.1');
    expect(answer.status).to.equal(429);
    expect(answer.headers.get('retry-after')).to.equal('1');
    expect(await answer.json()).to.include({ code: 'rate_limited' });
    expect(worked(), 'work that was done for it').to.equal(before);
    expect(refused).to.deep.equal(['unread_bytes_per_address']);
    expect((await get('203.0.113.2')).status).to.equal(200);
    // An `EventSource` would not come back.
    expect((await get('203.0.113.1', '/stream?topics=news:a')).status).to.equal(200);
    expect((await get('203.0.113.1', '/health/ready')).status).to.equal(200);
    idle.destroy();
    await until('it is forgotten', () => unread.bytes === 0);
    expect((await get('203.0.113.1')).status).to.equal(200);
  });

  it('makes room for others when all together take up too much', async () => {
    const { unread, ask } = await serve({ perNode: 2.5 * LARGE });
    const first = ask('/large', { from: '203.0.113.1' });
    await until('it waits', () => unread.bytes > 0);
    for (let i = 2; i <= 8; i++) {
      ask('/large', { from: `203.0.113.${i}` });
      await until('it has come', () => unread.bytes > 2 * LARGE || unread.bytes > (i - 0.9) * LARGE);
      expect(unread.bytes).to.be.at.most(2.5 * LARGE);
    }
    first.resume();
    await closed(first);
  });

  it('keeps few requests of its connection waiting behind it', async () => {
    const { refused, ask } = await serve({});
    const socket = ask('/small', { count: 3 * MAX_PIPELINED });
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    await until('all are answered', () => text.split('HTTP/1.1 ').length === 3 * MAX_PIPELINED + 1);
    expect(text.split('HTTP/1.1 429').length - 1).to.equal(refused.length);
    expect(refused.length).to.be.within(1, 2 * MAX_PIPELINED);
  });
});

describe('A client that asks for history and reads none of it', () => {
  let app: RunningNode;

  before(async () => {
    app = await startSecuredApp({ MAX_REQUESTS_PER_SECOND_PER_ADDRESS: '100000' });
    const data = 'x'.repeat(60 * 1024);
    const items = Array.from({ length: 100 }, () => ({ topic: 'news:large', data }));
    const publisher = bearer(await token({ publish: ['news:*'] }));
    const { status } = await call('POST', `${app.url}/api/messages`, JSON.stringify(items), publisher);
    expect(status).to.equal(200);
  });
  after(() => app?.stop());

  const path = '/api/topics/news:large/messages?limit=1000';
  const held = async () => {
    const text = await (await fetch(`${app.url}/metrics`)).text();
    return Number(/^axiom_unread_answers_bytes (\d+)/m.exec(text)?.[1]);
  };

  it('gets answers of a few MiB, and goes on from their cursor', async () => {
    const { messages, cursor } = (await (await fetch(`${app.url}${path}`)).json()) as {
      messages: { seq: number }[];
      cursor: string;
    };
    expect(messages).to.have.length(68);
    expect(messages.at(-1)!.seq).to.equal(100);
    const begin = cursor.replace(/\d+$/, '0');
    const seqs: number[] = [];
    for (let since = begin, more = true, calls = 0; more; calls++) {
      const page = (await (await fetch(`${app.url}${path}&since=${since}`)).json()) as {
        messages: { seq: number }[];
        cursor: string;
        more: boolean;
      };
      seqs.push(...page.messages.map(({ seq }) => seq));
      ({ cursor: since, more } = page);
      expect(calls).to.be.below(3);
    }
    expect(seqs).to.deep.equal(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  it('holds no more than its share of the memory of the node', async () => {
    const sockets = Array.from({ length: 4 }, () => requests(app.port, path, { count: 10 }));
    const get = async (from: string, of = '/api/streams') => {
      const response = await fetch(`${app.url}${of}`, { headers: { 'X-Forwarded-For': from } });
      await response.arrayBuffer();
      return response.status;
    };
    await until('it is refused', async () => (await get('203.0.113.1')) === 429);
    expect(await held()).to.be.within(UNREAD_BYTES_PER_ADDRESS, UNREAD_BYTES_PER_ADDRESS + 8 * MIB);
    expect(await get('203.0.113.2')).to.equal(200);
    // Nor of any other route, and of Socket.IO's long polling.
    for (const of of [
      path,
      '/metrics',
      '/openapi.json',
      '/docs/',
      '/nothing',
      '/socket.io/?EIO=4&transport=polling',
    ])
      expect(await get('203.0.113.1', of), of).to.equal(429);
    for (const socket of sockets) socket.destroy();
    await until('nothing is held', async () => (await held()) === 0);
  });
});
