/** What NGINX with its template keeps for strangers, and how often it lets them ask. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { nginx } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { until } from '../support/wait.js';

const PER_SECOND = 5;
const AT_ONCE = PER_SECOND * 8;
const LARGE = 15_000_000;

describe('NGINX before the nodes, and strangers', () => {
  let node: Server;
  let proxy: ManagedProcess;
  let port: number;
  const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-nginx-'));
  const sockets: Socket[] = [];
  /** Bytes of bodies that the node got, by address. */
  const got = new Map<string, number>();

  before(async () => {
    node = createServer((request, response) => {
      const { url = '' } = request;
      request.on('data', (chunk: Buffer) => got.set(url, (got.get(url) ?? 0) + chunk.length));
      if (url === '/large') response.end(Buffer.alloc(50_000_000));
      else if (request.method === 'GET') response.end('{}');
      else request.on('end', () => response.end('{}'));
    });
    await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve));
    port = await freePorts(1);
    proxy = nginx({
      dir,
      host: '127.0.0.1',
      port,
      nodePorts: [(node.address() as AddressInfo).port],
      requestsPerAddress: PER_SECOND,
      // Each spec comes from an address of its own.
      realIpFrom: ['127.0.0.1'],
    });
    await proxy.start();
  });

  after(async () => {
    for (const socket of sockets) socket.destroy();
    await proxy?.stop('SIGQUIT', 5_000);
    node?.closeAllConnections();
    node?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Sends the head of a request and a part of what it announces, and no more. */
  function begin(head: string, part: Buffer | string = ''): { answer: string } {
    const seen = { answer: '' };
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(head);
      socket.write(part);
    });
    socket.on('data', (data) => {
      seen.answer += data.toString('latin1', 0, 1000);
      if (head.includes('/large')) socket.pause();
    });
    socket.on('error', () => undefined);
    sockets.push(socket);
    return seen;
  }

  const post = (path: string) => `POST ${path} HTTP/1.1\r\nHost: hub\r\nContent-Length: ${LARGE}\r\n\r\n`;
  const ask = (path: string, address: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      ...init,
      headers: { 'X-Forwarded-For': address, ...init.headers },
    });

  /** Bytes of the files below a folder of NGINX. */
  function stored(folder: string): number {
    return readdirSync(join(dir, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  }

  it('ends a large body where none is read, and stores nothing of it', async () => {
    const posts = Array.from({ length: 8 }, () => begin(post('/nothing'), Buffer.alloc(1_000_000)));
    await until('all are refused', () => posts.every(({ answer }) => answer.startsWith('HTTP/1.1 413')));
    expect([stored('client_body'), got.get('/nothing')]).to.deep.equal([0, undefined]);
  });

  it('hands the body of a batch on as it comes, and stores nothing of it', async () => {
    begin(post('/api/messages'), Buffer.alloc(2_000_000));
    await until('the node has it', () => got.get('/api/messages') === 2_000_000);
    expect(stored('client_body')).to.equal(0);
  });

  it('stores nothing of an answer that nobody reads', async () => {
    const seen = begin('GET /large HTTP/1.1\r\nHost: hub\r\n\r\n');
    await until('it has begun', () => seen.answer !== '');
    await ask('/health/live', '10.0.0.9');
    expect(stored('proxy')).to.equal(0);
  });

  it('lets an address ask so much at once, and tells it when there is too much', async () => {
    const answers = await Promise.all(
      Array.from({ length: 2 * AT_ONCE }, async () => {
        const response = await ask('/api/streams', '10.0.0.1');
        return {
          status: response.status,
          text: await response.text(),
          after: response.headers.get('retry-after'),
        };
      }),
    );
    const refused = answers.filter(({ status }) => status !== 200);
    expect(answers.length - refused.length).to.be.at.least(AT_ONCE);
    expect(refused.length).to.be.above(0);
    expect(refused[0]).to.include({ status: 429, after: '1' });
    expect(JSON.parse(refused[0]!.text)).to.include({ code: 'rate_limited', status: 429 });
    expect((await ask('/api/streams', '10.0.0.2')).status, 'another address').to.equal(200);
  });

  it('sends an EventSource back that asked too often, and never counts publishing', async () => {
    const stream = { headers: { Accept: 'text/event-stream' } };
    await until('it is sent back', async () => {
      const response = await ask('/stream?topics=news:a', '10.0.0.3', stream);
      const text = await response.text();
      expect(response.status).to.equal(200);
      return text.includes('"code":"rate_limited"');
    });
    for (let n = 0; n < 2 * AT_ONCE; n++) {
      const { status } = await ask('/api/topics/news:a/messages', '10.0.0.3', { method: 'POST', body: '1' });
      expect(status).to.equal(200);
    }
  });
});
