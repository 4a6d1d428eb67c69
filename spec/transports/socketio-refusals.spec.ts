/** What becomes of unmodified Socket.IO clients that the hub refuses. */
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { io, type Socket } from 'socket.io-client';
import { type Logger, silentLogger } from '../../server/logger.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { ANONYMOUS, startSecuredApp, token } from '../auth/support.js';
import { startTestApp } from '../http/test-app.js';
import { call } from '../support/http.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';

type Transports = ('polling' | 'websocket')[];
const WAYS: readonly Transports[] = [['websocket'], ['polling'], ['polling', 'websocket']];

describe('A Socket.IO client', () => {
  const clients: Socket[] = [];
  let app: RunningNode;

  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await app?.stop();
  });

  function connect(auth: object, transports: Transports = ['websocket']): Socket & { errors: string[] } {
    const socket = io(app.url, { transports, auth, forceNew: true, reconnectionDelay: 20 });
    clients.push(socket);
    const errors: string[] = [];
    socket.on('connect_error', (error: Error & { data?: { code: string } }) =>
      errors.push(error.data?.code ?? error.message),
    );
    return Object.assign(socket, { errors });
  }

  /** Counted under their codes, which shows that a client was refused. */
  const refusals = async (code: string) => {
    const { body } = await call<string>('GET', `${app.url}/metrics`, undefined, ANONYMOUS);
    return Number(new RegExp(`^axiom_errors_total\\{kind="${code}"\\} (\\d+)$`, 'm').exec(body)?.[1] ?? 0);
  };

  for (const transports of WAYS) {
    describe(`over ${transports.join(', then ')}`, () => {
      it('comes back by itself where its subject has as many connections as it may, and gets in', async () => {
        app = await startSecuredApp({ MAX_CONNECTIONS_PER_SUBJECT: '1' });
        const auth = { token: await token() };
        const first = connect(auth, transports);
        await until('the first is connected', () => first.connected);
        const second = connect(auth, transports);
        await until('the second is refused twice', async () => (await refusals('too_many_connections')) >= 2);
        expect(second.active, 'the library goes on').to.equal(true);
        first.disconnect();
        await until('the second is connected', () => second.connected);
      });

      it('stays away where its token is not accepted, and knows why', async () => {
        app = await startSecuredApp();
        const client = connect({ token: 'nonsense' }, transports);
        await until('it is refused', () => client.errors.length > 0);
        expect(client.errors).to.deep.equal(['token_invalid']);
        expect(client.active).to.equal(false);
      });
    });
  }

  describe('whose token cannot be checked now', () => {
    let keyServer: Server;
    let up: boolean;
    let jwk: JWK;

    afterEach(() => keyServer?.close());

    it('comes back by itself, and gets in once the keys are within reach', async () => {
      const { privateKey, publicKey } = await generateKeyPair('ES256');
      jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' };
      up = false;
      keyServer = createServer((_request, response) =>
        response
          .writeHead(up ? 200 : 500, { 'Content-Type': 'application/json' })
          .end(JSON.stringify({ keys: [jwk] })),
      );
      await new Promise<void>((resolve) => keyServer.listen(0, '127.0.0.1', resolve));
      const { port } = keyServer.address() as AddressInfo;
      app = await startTestApp({
        JWKS_URL: `http://127.0.0.1:${port}/keys`,
        JWT_ISSUER: 'issuer',
        PUBLISH_KEY: '',
      });
      const text = await new SignJWT({ streams: {} })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setSubject('alice')
        .setAudience('axiom-streaming')
        .setIssuer('issuer')
        .setExpirationTime('5m')
        .sign(privateKey);
      const client = connect({ token: text });
      await until('it is refused twice', async () => (await refusals('keys_unavailable')) >= 2);
      expect(client.active).to.equal(true);
      expect(client.errors).to.deep.equal([]);
      up = true;
      await until('it is connected', () => client.connected, { withinMs: 40_000 });
    });
  });

  describe('that has no token', () => {
    for (const [name, auth] of Object.entries({
      null: { token: null },
      undefined: { token: undefined },
      'an empty string': { token: '' },
      nothing: {},
    })) {
      it(`says so with ${name}, and is nobody`, async () => {
        app = await startSecuredApp();
        const client = connect(auth);
        await until('it is connected', () => client.connected);
        const ack = await client.emitWithAck('subscribe', { topics: ['news:*'] });
        expect(ack).to.include({ ok: true });
      });
    }

    it('is refused with the name of the field where that is of another type', async () => {
      app = await startSecuredApp();
      const client = connect({ token: 42 });
      const error = await new Promise<Error & { data?: object }>((resolve) =>
        client.on('connect_error', resolve),
      );
      expect(error.data).to.deep.include({ code: 'bad_request', field: 'token' });
      expect(client.active).to.equal(false);
    });

    it('is nobody over WebSocket, SSE and HTTP alike, where its header is empty or it says null', async () => {
      app = await startSecuredApp();
      const answers = await Promise.all(
        ['/api/streams', '/stream?topics=news:*', '/stream?topics=news:*&ticket='].map((path) =>
          statusOf(app.url + path, { Authorization: '' }),
        ),
      );
      expect(answers).to.deep.equal([200, 200, 200]);
      const webSocket = await WebSocketTestClient.connect({ url: app.url, token: '' });
      const socketIo = await connectSocketIo({ url: app.url, token: '' });
      const known = await connectSocketIo({ url: app.url, token: await token() });
      for (const client of [webSocket, socketIo]) {
        const ack = await client.request('auth', { token: null });
        expect(ack).to.include({ ok: true }).and.not.to.have.property('subject');
        client.close();
      }
      expect((await known.request('auth', { token: null })).error).to.include({
        code: 'denied',
        field: 'token',
      });
      known.close();
    });
  });

  describe('of an old protocol', () => {
    for (const path of ['/socket.io/', '/msgpack/']) {
      for (const transport of ['websocket', 'polling']) {
        it(`is refused in words that it can read, before anything is upgraded: ${transport} at ${path}`, async () => {
          const warnings: string[] = [];
          const logger: Logger = { ...silentLogger, warn: (_fields, text) => void warnings.push(text ?? '') };
          app = await startTestApp({}, logger);
          for (let i = 0; i < 5; i++) {
            const answer = await handshake(`${app.url}${path}?EIO=3&transport=${transport}`, transport);
            expect(answer).to.deep.equal({
              status: 400,
              body: { code: 5, message: 'Unsupported protocol version' },
            });
          }
          expect(warnings).to.deep.equal([
            'socketio: a client of an old protocol was refused; socket.io-client 3 or newer is needed',
          ]);
        });
      }
    }
  });
});

/** The status of an answer whose body may have no end. Unlike `fetch`, it sends an empty header as it is. */
function statusOf(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { headers, agent: false }, (response) => {
      resolve(response.statusCode);
      response.destroy();
    });
    request.on('error', reject).end();
  });
}

function handshake(url: string, transport: string): Promise<{ status: number | undefined; body: unknown }> {
  const upgrade = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  return new Promise((resolve, reject) => {
    const headers = transport === 'websocket' ? upgrade : {};
    const request = httpRequest(url, { headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(body) as unknown }));
    });
    request.on('upgrade', () => reject(new Error('it was upgraded')));
    request.on('error', reject).end();
  });
}
