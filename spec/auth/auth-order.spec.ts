/** What a client sends right after `auth`, while its token is still being looked at. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { WebSocket } from 'ws';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import type { Ack, TestSocket } from '../support/client.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { bearer } from './support.js';

describe('Requests that follow `auth` on a connection', () => {
  let keys: Server;
  let waiting: ServerResponse[] = [];
  let privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  let keySet = '';
  let app: RunningNode;
  const clients: { close(): void }[] = [];

  before(async () => {
    const pair = await generateKeyPair('ES256');
    privateKey = pair.privateKey;
    keySet = JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'ES256' }] });
    // It answers when it is told to.
    keys = createServer((_request, response) => void waiting.push(response));
    await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
  });

  beforeEach(async () => {
    waiting = [];
    const jwksUrl = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/keys`;
    app = await startTestApp({
      JWKS_URL: jwksUrl,
      JWT_ISSUER: 'specs',
      PUBLISH_KEY: '',
      UNAUTHENTICATED_MS: '60000',
    });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await app?.stop();
  });

  after(() => {
    keys.closeAllConnections();
    keys.close();
  });

  const signed = (sub: string) =>
    new SignJWT({ streams: { subscribe: ['portfolio:p1'], publish: ['portfolio:*'] }, admin: true })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setSubject(sub)
      .setIssuer('specs')
      .setAudience('axiom-streaming')
      .setExpirationTime('5m')
      .sign(privateKey);

  async function answerKeys(): Promise<void> {
    await until('the key set is asked for', () => waiting.length > 0);
    for (const response of waiting.splice(0)) {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(keySet);
    }
  }

  const TRANSPORTS: Readonly<Record<string, () => Promise<TestSocket>>> = {
    WebSocket: () => WebSocketTestClient.connect({ url: app.url, token: '' }),
    'Socket.IO': () => connectSocketIo({ url: app.url, token: '' }),
  };

  for (const [transport, connect] of Object.entries(TRANSPORTS)) {
    describe(`over ${transport}`, () => {
      let client: TestSocket;

      beforeEach(async () => {
        client = await connect();
        clients.push(client);
      });

      it('are carried out behind it, in their order, with what the token allows', async () => {
        const order: string[] = [];
        const ask = (operation: string, body: object) =>
          client.request(operation, body).then((ack: Ack) => {
            order.push(`${operation} ${ack.ok ? 'ok' : ack.error?.code}`);
          });
        const asked = [
          ask('auth', { token: await signed('alice') }),
          ask('subscribe', { topics: ['portfolio:p1'] }),
          ...[1, 2, 3].map((data) => ask('publish', { topic: 'portfolio:p1', data })),
        ];
        await answerKeys();
        await Promise.all(asked);
        expect(order[0]).to.equal('auth ok');
        expect(order.slice(1)).to.have.members(['subscribe ok', ...Array<string>(3).fill('publish ok')]);
        await until('the messages come', () => client.seen.data('portfolio:p1').length === 3);
        expect(client.seen.data('portfolio:p1')).to.deep.equal([1, 2, 3]);
      });

      it('are carried out as before where the token is refused', async () => {
        const asked = [
          client.request('auth', { token: `${await signed('alice')}x` }),
          client.request('publish', { topic: 'portfolio:p1', data: 1 }),
          client.request('subscribe', { topics: ['news:*'] }),
        ];
        await answerKeys();
        const acks = await Promise.all(asked);
        expect(acks.map((ack) => ack.error?.code)).to.deep.equal([
          'token_invalid',
          'token_missing',
          undefined,
        ]);
      });

      it('are renewals, which run one after the other: the first makes the connection its own', async () => {
        const tokens = await Promise.all(Array.from({ length: 50 }, (_, n) => signed(`subject-${n}`)));
        // Known from here on, so nothing takes time when they come again, all in one turn of the event loop.
        const seen = tokens.map(connections);
        await answerKeys();
        await Promise.all(seen);
        const acks = await Promise.all(tokens.map((token) => client.request('auth', { token })));
        expect(acks[0]).to.include({ ok: true, subject: 'subject-0' });
        for (const ack of acks.slice(1)) expect(ack.error?.code).to.equal('denied');
        const list = await connections(tokens[0]!);
        expect(list.map(({ subject }) => subject)).to.deep.equal(['subject-0']);
      });
    });
  }

  it('end the connection with 4429, and are not carried out, where they are more than may wait', async () => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/ws`);
    clients.push({ close: () => socket.terminate() });
    await once(socket, 'open');
    const send = (frame: object) => socket.send(JSON.stringify(frame));
    send({ op: 'auth', token: await signed('alice') });
    await until('the key set is asked for', () => waiting.length > 0);
    const closed = once(socket, 'close');
    for (let n = 0; n < 40; n++) send({ op: 'publish', topic: 'portfolio:p1', data: 'x'.repeat(60_000) });
    expect((await closed)[0]).to.equal(4429);
    await answerKeys();
    expect(await connections(await signed('bob'))).to.deep.equal([]);
    expect(app.hub.stream('portfolio').tail.last).to.equal(0);
  });

  async function connections(token: string): Promise<{ subject: string | null }[]> {
    const response = await fetch(`${app.url}/api/connections`, { headers: bearer(token) });
    const body = (await response.json()) as { connections: { subject: string | null }[] };
    return body.connections;
  }
});

describe('A WebSocket that offers subprotocols', () => {
  it('is not told that one of them is spoken, at /ws or by Socket.IO', async () => {
    const app = await startTestApp();
    for (const path of ['/ws', '/socket.io/?EIO=4&transport=websocket']) {
      const socket = new WebSocket(app.url.replace('http', 'ws') + path, ['graphql-ws', 'mqtt']);
      let spoken: string | string[] | undefined = 'no answer';
      socket.on('upgrade', ({ headers }) => {
        spoken = headers['sec-websocket-protocol'];
      });
      // `ws` as a client ends such a connection by itself; others go on.
      await new Promise((resolve) => socket.on('open', resolve).on('error', resolve));
      expect(spoken, path).to.equal(undefined);
      socket.terminate();
    }
    await app.stop();
  });
});
