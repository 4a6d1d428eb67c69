/**
 * Requests that offer another protocol, at a node and through NGINX: Java's HTTP client and `curl --http2` offer h2c
 * with each.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { nginx } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { SPEC_KEY } from '../support/credentials.js';
import { get } from '../support/http.js';
import { until } from '../support/wait.js';
import { startTestApp } from './test-app.js';

const H2C = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'];
const WEBSOCKET = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];

/** One TCP connection on which requests follow one another. */
class Wire {
  readonly #socket: Socket;
  #heard = '';

  constructor(port: number) {
    this.#socket = connect(port, 'localhost');
    this.#socket.on('data', (bytes) => {
      this.#heard += bytes.toString('latin1');
    });
    this.#socket.on('error', () => undefined);
  }

  /** Sends a request, its body after the head, and resolves with the answer once it has its last words. */
  async ask(line: string, headers: readonly string[], body = '', last = '}'): Promise<string> {
    await (this.#socket.connecting ? once(this.#socket, 'connect') : undefined);
    this.#heard = '';
    const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
    this.#socket.write(
      [`${line} HTTP/1.1`, 'Host: localhost', ...headers, ...length, '', ''].join('\r\n') + body,
    );
    await until(`an answer to ${line}`, () => this.#heard.trimEnd().endsWith(last), {
      instead: () => this.#heard,
    });
    return this.#heard;
  }

  close(): void {
    this.#socket.destroy();
  }
}

describe('A request that offers an upgrade', () => {
  let app: RunningNode;
  let proxy: ManagedProcess;
  const ports: Record<string, number> = {};
  const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-upgrades-'));
  let wire: Wire;

  before(async () => {
    app = await startTestApp();
    const port = await freePorts(1);
    proxy = nginx({ dir, host: '127.0.0.1', port, nodePorts: [app.port] });
    await proxy.start();
    Object.assign(ports, { 'a node': app.port, NGINX: port });
  });

  after(async () => {
    await proxy?.stop('SIGQUIT', 5_000);
    await app?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  afterEach(() => wire.close());

  for (const door of ['a node', 'NGINX']) {
    describe(`to ${door}`, () => {
      beforeEach(() => {
        wire = new Wire(ports[door]!);
      });

      it('to a protocol that is not spoken is served, and so are those that follow it on its connection', async () => {
        for (const path of ['/health', '/api/streams', '/health']) {
          expect(await wire.ask(`GET ${path}`, H2C)).to.match(/^HTTP\/1\.1 200 /);
        }
        expect(await wire.ask('GET /health', [])).to.match(/^HTTP\/1\.1 200 /);
        expect(await wire.ask('GET /elsewhere', H2C)).to.match(/^HTTP\/1\.1 404 .*there is no GET/s);
      });

      it('is served with its body', async () => {
        const topic = `news:${door === 'NGINX' ? 'proxied' : 'direct'}`;
        const line = `POST /api/topics/${topic}/messages`;
        const headers = [...H2C, `Authorization: Bearer ${SPEC_KEY}`];
        for (const n of [1, 2]) {
          expect(await wire.ask(line, headers, `{"n":${n}}`)).to.match(/^HTTP\/1\.1 201 /);
        }
        const { body } = await get<{ messages: { data: unknown }[] }>(
          `${app.url}/api/topics/${topic}/messages`,
        );
        expect(body.messages.map(({ data }) => data)).to.deep.equal([{ n: 1 }, { n: 2 }]);
      });

      it('gets its event stream', async () => {
        const answer = await wire.ask('GET /stream?topics=news:*', H2C, '', '"}');
        expect(answer).to.match(/^HTTP\/1\.1 200 .*event: position/s);
      });

      it('opens Socket.IO over polling', async () => {
        const answer = await wire.ask('GET /socket.io/?EIO=4&transport=polling', H2C);
        expect(answer).to.match(/^HTTP\/1\.1 200 .*"sid":/s);
      });

      it('to several protocols is served, and becomes a WebSocket only if it includes that', async () => {
        const offers = ['Connection: upgrade', 'Upgrade: h2c, WebSocket'];
        expect(await wire.ask('GET /health', offers)).to.match(/^HTTP\/1\.1 200 /);
        const upgraded = await wire.ask('GET /ws', [...offers, ...WEBSOCKET], '', '}');
        expect(upgraded).to.match(/^HTTP\/1\.1 101 .*Upgrade: websocket.*"op":"welcome"/is);
      });

      it('to a WebSocket on another path is refused in words', async () => {
        const handshake = ['Connection: Upgrade', 'Upgrade: websocket', ...WEBSOCKET];
        const answer = await wire.ask('GET /health', handshake);
        expect(answer).to.match(/^HTTP\/1\.1 404 .*there is no upgrade of \/health/s);
      });
    });
  }
});
