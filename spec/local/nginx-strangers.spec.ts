/** Bodies that nodes refuse, more event streams than a connection carries, and requests in clear. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { nginx } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { openStream } from '../support/http2-stream.js';
import { until } from '../support/wait.js';

const EVENTS = { accept: 'text/event-stream' };
const MIB = 1024 * 1024;

/** A POST of which all but the last byte is sent, as far as somebody reads. */
function unfinished(port: number, path: string, bytes: number): { socket: Socket; answer: () => string } {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (data) => {
    answer += String(data);
  });
  socket.on('error', () => undefined);
  socket.write(`POST ${path} HTTP/1.1\r\nHost: hub\r\nContent-Length: ${bytes}\r\n\r\n`);
  socket.write(Buffer.alloc(bytes - 1, 'x'));
  return { socket, answer: () => answer };
}

describe('NGINX and strangers', () => {
  let node: Server;
  let proxy: ManagedProcess;
  let port: number;
  let securePort: number;
  let only: ManagedProcess;
  let onlyPort: number;
  const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-nginx-strangers-'));

  /** Bodies of `POST /stream` as the node read them: it asks for the next node the first time. */
  const bodies: number[] = [];

  async function offered(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let bytes = 0;
    for await (const chunk of request) bytes += (chunk as Buffer).length;
    bodies.push(bytes);
    response.writeHead(bodies.length === 1 ? 503 : 200, { 'Content-Type': 'text/event-stream' });
    response.end('event: position\n\n');
  }

  before(async () => {
    node = createServer((request, response) => {
      const path = request.url?.split('?')[0];
      if (path === '/health/live') response.end('{}');
      else if (path === '/stream' && request.method === 'POST') offered(request, response);
      else if (path === '/stream') {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('event: position\n\n');
      } else if (request.method === 'POST') response.writeHead(401).end('{"code":"of the node"}');
      else response.end('{}');
    });
    await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve));
    const certificates = join(dir, 'certificates');
    mkdirSync(certificates);
    const [key, pem] = [join(certificates, 'privkey.pem'), join(certificates, 'fullchain.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const made = ['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=localhost'];
    execFileSync('openssl', [...made, '-keyout', key, '-out', pem], { stdio: 'ignore' });
    port = await freePorts(4);
    [securePort, onlyPort] = [port + 1, port + 2];
    const common = { host: '127.0.0.1', nodePorts: [(node.address() as AddressInfo).port] };
    proxy = nginx({
      ...common,
      dir: join(dir, 'many'),
      port,
      tls: { port: securePort, certificates },
    });
    only = nginx({
      ...common,
      dir: join(dir, 'only'),
      port: onlyPort,
      tls: { port: port + 3, certificates, only: true },
    });
    await proxy.start();
    await only.start();
  });

  after(async () => {
    await proxy?.stop('SIGQUIT', 5_000);
    await only?.stop('SIGQUIT', 5_000);
    node?.closeAllConnections();
    node?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  for (const path of [
    '/api/messages',
    '/api/topics/news:a/messages',
    '/socket.io/',
    '/mcp',
    '/nothing-small',
  ]) {
    it(`lets a node refuse before the body is complete: ${path}`, async () => {
      const { socket, answer } = unfinished(port, path, path === '/nothing-small' ? 100_000 : 15 * MIB);
      try {
        await until('the node has refused', () => answer().includes('of the node'), { instead: answer });
        expect(answer()).to.match(/^HTTP\/1\.1 401/);
      } finally {
        socket.destroy();
      }
    });
  }

  it('offers the next node the whole body of a POST /stream that the first one refuses', async () => {
    const body = 'x'.repeat(200_000);
    const response = await fetch(`http://127.0.0.1:${port}/stream`, {
      method: 'POST',
      body,
      headers: EVENTS,
    });
    expect([response.status, await response.text()]).to.deep.equal([200, 'event: position\n\n']);
    expect(bodies).to.deep.equal([body.length, body.length]);
  });

  describe('over one connection of HTTP/2', () => {
    let session: ClientHttp2Session;
    before(() => {
      session = connectHttp2(`https://localhost:${securePort}`, { rejectUnauthorized: false });
    });
    after(() => session?.destroy());

    const open = (path: string) => openStream(session, path, EVENTS);

    it('carries 512 event streams, tells others to come later, and answers other requests meanwhile', async () => {
      const streams = Array.from({ length: 560 }, () => open('/stream?topics=news:a'));
      const about = () => streams.map(({ status }) => status).filter((status) => status !== 200);
      await until('each is answered', () => streams.every(({ text }) => text !== ''), { instead: about });
      expect(streams.filter(({ text }) => text.includes('event: position'))).to.have.lengthOf(512);
      const refused = streams.filter(({ text }) => text.includes('event: refused'));
      expect(refused).to.have.lengthOf(48);
      expect(refused[0]).to.have.property('status', 200);
      expect(refused[0]?.text).to.include('"code":"too_many_connections"');
      const other = open('/');
      await until('another request is answered', () => other.text === '{}');
    });
  });

  it('redirects to TLS what comes in clear where only TLS is wanted, but for checks', async () => {
    const ask = (path: string, headers = {}) =>
      fetch(`http://127.0.0.1:${onlyPort}${path}`, { redirect: 'manual', headers });
    const clear = await ask('/api/streams?a=1');
    expect([clear.status, clear.headers.get('location')]).to.deep.equal([
      308,
      `https://127.0.0.1:${port + 3}/api/streams?a=1`,
    ]);
    for (const path of ['/health', '/health/live', '/.well-known/acme-challenge/x']) {
      expect((await ask(path)).status, path).to.equal(200);
    }
    expect((await ask('/api/streams', { 'X-Forwarded-Proto': 'https' })).status).to.equal(200);
  });
});
