import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { expect } from 'chai';
import { type Logger, silentLogger } from '../../server/logger.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { UnknownSessions } from '../../server/transports/socketio/unknown-sessions.js';
import { startTestApp } from '../http/test-app.js';

const WORDS = /^Session ID unknown: .*must reach one node \(docs\/PROXIES\.md\)/;

describe('A request of a Socket.IO session that is not on the node', () => {
  let app: RunningNode;

  before(async () => {
    app = await startTestApp({ ALLOWED_ORIGINS: 'https://app.example.com' });
  });

  after(() => app?.stop());

  for (const path of ['/socket.io/', '/msgpack/']) {
    it(`is refused in words that name the cause, with the number that libraries know, at ${path}`, async () => {
      for (const method of ['GET', 'POST']) {
        const response = await fetch(`${app.url}${path}?EIO=4&transport=polling&sid=elsewhere`, {
          method,
          headers: { Origin: 'https://app.example.com' },
          ...(method === 'POST' ? { body: '40' } : {}),
        });
        expect(response.status).to.equal(400);
        expect(response.headers.get('access-control-allow-origin')).to.equal('https://app.example.com');
        const { code, message } = (await response.json()) as { code: number; message: string };
        expect(code).to.equal(1);
        expect(message).to.match(WORDS);
      }
    });
  }

  it('is refused in the same words where it is an upgrade', async () => {
    const { status, body } = await new Promise<{ status: number | undefined; body: string }>(
      (resolve, reject) => {
        const headers = {
          Connection: 'Upgrade',
          Upgrade: 'websocket',
          'Sec-WebSocket-Version': '13',
          'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        };
        const url = `${app.url}/socket.io/?EIO=4&transport=websocket&sid=elsewhere`;
        httpRequest(url, { headers, agent: false }, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode, body: text }));
        })
          .on('error', reject)
          .end();
      },
    );
    expect(status).to.equal(400);
    expect((JSON.parse(body) as { detail: string }).detail).to.match(WORDS);
  });

  it('is logged in one line a minute, and only where there are many', () => {
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_fields, message) => lines.push(message ?? '') };
    let now = 0;
    const sessions = new UnknownSessions({ isKnown: (sid) => sid === 'here', logger, now: () => now });
    const ask = (times: number, sid = 'elsewhere') => Array.from({ length: times }, () => sessions.has(sid));

    expect(ask(100, 'here')).to.not.include(true);
    expect(ask(4)).to.not.include(false);
    expect(lines).to.deep.equal([]);
    ask(100);
    expect(lines).to.have.length(1);
    expect(lines[0]).to.include('docs/PROXIES.md');

    now += 60_000;
    ask(4);
    expect(lines).to.have.length(1);
    ask(100);
    expect(lines).to.have.length(2);
  });
});

describe('A health check of a load balancer', () => {
  let app: RunningNode;

  before(async () => {
    app = await startTestApp();
  });

  after(() => app?.stop());

  for (const path of ['/health/live', '/health/ready']) {
    it(`is answered by a hub without a secret whatever its Host is: ${path}`, async () => {
      for (const Host of ['hub.example.com', '10.0.0.7:8001', 'node1']) {
        expect(await statusOf(path, { Host }), Host).to.equal(200);
      }
      expect(await statusOf(path, { Host: 'node1', 'X-Forwarded-For': '203.0.113.5' })).to.equal(200);
      // HTTP/1.0 needs none, which no HTTP client of Node.js sends.
      const socket = connect(Number(new URL(app.url).port), 'localhost');
      socket.write(`GET ${path} HTTP/1.0\r\n\r\n`);
      expect((await socket.setEncoding('utf8').toArray()).join('')).to.match(/^HTTP\/1\.1 200 /);
    });
  }

  it('leaves everything else to this machine', async () => {
    for (const path of ['/health', '/api/streams', '/health/live/../../api/streams', '/'])
      expect(await statusOf(path, { Host: 'hub.example.com' }), path).to.equal(403);
  });

  function statusOf(path: string, headers: Record<string, string>): Promise<number | undefined> {
    const { port } = new URL(app.url);
    return new Promise((resolve, reject) => {
      httpRequest({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
  }
});
