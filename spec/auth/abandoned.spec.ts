/** Clients that leave while they are being let in count no longer than they are there. */
import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect } from 'chai';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { ClientConnections } from '../../server/auth/client-connections.js';
import { HUB_ITSELF } from '../../server/hub/access.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { lifelineOf } from '../../server/transports/lifeline.js';
import { connectOver, subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { startSecuredApp } from './support.js';

describe('A client that leaves during its handshake', () => {
  it('is not counted from then on, nor if it had left before', () => {
    const connections = new ClientConnections({
      node: 'n',
      limits: {
        connectionsPerAddress: 10,
        connectionsPerSubject: 1,
        requestsPerSecond: 1,
        publishesPerSecond: 1,
        unauthenticatedMs: 0,
      },
      leewayMs: 0,
      publishes: { take: () => undefined } as never,
      costs: { take: () => undefined, charge: () => undefined, check: () => undefined, waitMs: () => 0 },
      current: (principal) => principal,
      banned: () => false,
      verify: () => ({ ...HUB_ITSELF, subject: 'hub' }),
      onEnd: () => undefined,
      onRefused: () => undefined,
    });
    const socket = Object.assign(new EventEmitter(), { gone: false });
    const open = () =>
      connections.open(
        HUB_ITSELF,
        '203.0.113.1',
        'websocket',
        lifelineOf(socket, ({ gone }) => gone),
      );
    try {
      open();
      expect(open).to.throw(/at most 1 connections per subject/);
      socket.gone = true;
      socket.emit('close');
      expect(connections.from('203.0.113.1')).to.equal(0);
      open();
      open();
      expect(connections.from('203.0.113.1')).to.equal(0);
    } finally {
      connections.stop();
    }
  });

  describe('while its keys are being fetched', () => {
    let app: RunningNode;
    let keys: Server;
    let text: string;
    /** Sends the key set. */
    let answer: () => void;
    let asked: number;

    beforeEach(async () => {
      const { publicKey, privateKey } = await generateKeyPair('ES256');
      const set = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] });
      asked = 0;
      keys = createServer((_request, response) => {
        asked += 1;
        answer = () => response.setHeader('Content-Type', 'application/json').end(set);
      });
      keys.listen(0, '127.0.0.1');
      await once(keys, 'listening');
      app = await startSecuredApp({
        JWT_SECRET: '',
        JWT_ISSUER: 'spec',
        JWKS_URL: `http://127.0.0.1:${(keys.address() as AddressInfo).port}/`,
        MAX_CONNECTIONS_PER_SUBJECT: '2',
      });
      text = await new SignJWT({ streams: { subscribe: ['portfolio:*'] } })
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setSubject('quick')
        .setIssuer('spec')
        .setAudience('axiom-streaming')
        .setExpirationTime('5m')
        .sign(privateKey);
    });
    afterEach(async () => {
      await app?.stop();
      keys.closeAllConnections();
      keys.close();
    });

    /** Sends a request, and resets the connection once its token is being looked at. */
    async function abandon(lines: readonly string[]): Promise<void> {
      const { port } = app;
      const sockets = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const socket = connect(port, '127.0.0.1').on('error', () => undefined);
          await once(socket, 'connect');
          socket.write(
            `${[...lines, 'Host: localhost', `Authorization: Bearer ${text}`].join('\r\n')}\r\n\r\n`,
          );
          return socket;
        }),
      );
      await until('the keys are asked for', () => asked > 0);
      for (const socket of sockets) socket.resetAndDestroy();
      // The hub has seen the resets when it has answered somebody who came after them.
      await fetch(`${app.url}/health/live`);
      await fetch(`${app.url}/health/live`);
      answer();
    }

    const UPGRADE = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ];

    for (const [name, lines] of [
      ['WebSocket', ['GET /ws HTTP/1.1', ...UPGRADE]],
      ['SSE', ['GET /stream?topics=portfolio:p1 HTTP/1.1']],
    ] as const) {
      it(`over ${name} does not lock its subject out when it comes back at once`, async () => {
        await abandon(lines);
        const client = await connectOver('websocket', { url: app.url, token: text });
        const other = await subscribeOver('sse', { url: app.url, token: text }, { topics: ['portfolio:p1'] });
        client.close();
        other.close();
      });
    }
  });
});
