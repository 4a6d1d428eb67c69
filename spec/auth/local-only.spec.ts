/** A hub without a secret serves this machine alone, and no proxy or tunnel on it for others. */
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { call } from '../support/http.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { ANONYMOUS, startSecuredApp } from './support.js';

/** What proxies and tunnels say of themselves and of their clients. */
const SIGNS: readonly Readonly<Record<string, string>>[] = [
  { Via: '1.1 proxy' },
  { Forwarded: 'for=127.0.0.1' },
  { 'X-Forwarded-For': '127.0.0.1' },
  { 'X-Forwarded-For': '203.0.113.9' },
  { 'X-Forwarded-Host': 'localhost' },
  { 'X-Forwarded-Proto': 'https' },
  { 'X-Forwarded-Server': 'edge' },
  { 'X-Real-IP': '127.0.0.1' },
];

describe('A hub without a secret', () => {
  let app: RunningNode;
  const ask = async (headers: Readonly<Record<string, string>>, path = '/api/streams', url = app.url) =>
    (await call<{ code?: string }>('GET', url + path, undefined, { ...ANONYMOUS, ...headers })).body.code ??
    'served';

  describe('that knows of no proxy', () => {
    before(async () => {
      app = await startTestApp({ TRUST_PROXY: '' });
    });
    after(() => app?.stop());

    it('serves this machine', async () => {
      expect(await ask({})).to.equal('served');
    });

    for (const headers of SIGNS) {
      it(`refuses what came through a proxy: ${JSON.stringify(headers)}`, async () => {
        for (const path of ['/api/streams', '/', '/metrics', '/stream?topics=news:a']) {
          expect(await ask(headers, path), path).to.equal('denied');
        }
        const { port } = app;
        const upgrade = await fetch(`http://localhost:${port}/socket.io/?EIO=4&transport=polling`, {
          headers,
        });
        expect(upgrade.status).to.equal(403);
      });
    }

    it('says which header told so', async () => {
      const { body } = await call('GET', `${app.url}/api/streams`, undefined, { Via: '1.1 proxy' });
      expect(body.detail)
        .to.match(/header via/)
        .and.to.include('JWT_SECRET');
    });

    it('refuses a WebSocket that a proxy has opened', async () => {
      const opened = await WebSocketTestClient.connect({ url: app.url }).then(
        () => 'opened',
        (error: Error) => error.message,
      );
      expect(opened).to.include('403');
    });

    it('answers the health checks of a proxy', async () => {
      for (const path of ['/health/live', '/health/ready'])
        expect(await ask({ Via: '1.1 p' }, path)).to.equal('served');
    });
  });

  describe('that was told of a proxy by TRUST_PROXY', () => {
    before(async () => {
      app = await startTestApp({ TRUST_PROXY: 'loopback' });
    });
    after(() => app?.stop());

    for (const [headers, expected] of [
      [{ 'X-Forwarded-For': '127.0.0.1', 'X-Forwarded-Proto': 'http', 'X-Real-IP': '127.0.0.1' }, 'served'],
      [{ 'X-Forwarded-For': '127.0.0.1', 'X-Forwarded-Host': 'localhost:8001' }, 'served'],
      [{ 'X-Forwarded-For': '203.0.113.9' }, 'denied'],
      [{ 'X-Forwarded-For': '203.0.113.9, 127.0.0.1' }, 'denied'],
      [{ 'X-Forwarded-For': '127.0.0.1', 'X-Real-IP': '203.0.113.9' }, 'denied'],
      [{ 'X-Forwarded-For': '127.0.0.1', 'X-Forwarded-Host': 'hub.example.com' }, 'denied'],
      [{ 'X-Forwarded-For': '127.0.0.1', Via: '1.1 tunnel' }, 'denied'],
      [{ Forwarded: 'for=203.0.113.9' }, 'denied'],
    ] as const) {
      it(`has it serve this machine alone: ${JSON.stringify(headers)} is ${expected}`, async () => {
        expect(await ask(headers)).to.equal(expected);
      });
    }
  });

  it('is the only one that minds', async () => {
    const secured = await startSecuredApp({ TRUST_PROXY: '' });
    try {
      for (const headers of SIGNS) expect(await ask(headers, '/api/streams', secured.url)).to.equal('served');
    } finally {
      await secured.stop();
    }
  });
});
