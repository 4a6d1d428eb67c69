/**
 * Every way into the hub, with every state of a token: what is answered, by status or code. What the operation itself
 * does is other specs' matter; here it is whether it is let through.
 */

import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import { generateKeyPair, SignJWT } from 'jose';
import { WebSocket } from 'ws';
import { ERRORS } from '../../server/errors.js';
import { errorsOf, ROUTES } from '../../server/http/api-documents/routes.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { call } from '../support/http.js';
import { connectSocketIo, request as socketIoRequest } from '../support/socketio-client.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { ANONYMOUS, bearer, startSecuredApp, token } from './support.js';

type State = 'none' | 'expired' | 'audience' | 'alg none' | 'confused' | 'narrow' | 'right' | 'revoked';
const STATES: readonly State[] = [
  'none',
  'expired',
  'audience',
  'alg none',
  'confused',
  'narrow',
  'right',
  'revoked',
];
/** What a credential that is not accepted is answered with, wherever one is looked at. */
const REFUSED: Partial<Record<State, string>> = {
  expired: '401 token_expired',
  audience: '401 token_invalid',
  'alg none': '401 token_invalid',
  confused: '401 token_invalid',
  revoked: '401 token_revoked',
};

interface Way {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly none: string;
  readonly narrow: string;
  readonly right: string;
  /** It looks at no token at all. */
  readonly open?: true;
  /** Only an administrator is right here. */
  readonly admin?: true;
}

const OPEN = { none: '200', narrow: '200', right: '200', open: true } as const;
const DENIED = { none: '401 token_missing', narrow: '403 denied' } as const;

const WAYS: readonly Way[] = [
  { name: 'health', method: 'GET', path: '/health', ...OPEN },
  { name: 'liveness', method: 'GET', path: '/health/live', ...OPEN },
  { name: 'readiness', method: 'GET', path: '/health/ready', ...OPEN },
  // Without a token the private network is let in; a token that is sent has to be an administrator's.
  {
    name: 'metrics',
    method: 'GET',
    path: '/metrics',
    none: '200',
    narrow: '404 not_found',
    right: '200',
    admin: true,
  },
  { name: 'nodes', method: 'GET', path: '/api/nodes', none: '200', narrow: '200', right: '200' },
  { name: 'streams', method: 'GET', path: '/api/streams', none: '200', narrow: '200', right: '200' },
  {
    name: 'a public stream',
    method: 'GET',
    path: '/api/streams/news',
    none: '200',
    narrow: '200',
    right: '200',
  },
  { name: 'a granted stream', method: 'GET', path: '/api/streams/signals', ...DENIED, right: '200' },
  {
    name: 'a public topic',
    method: 'GET',
    path: '/api/topics/news:a',
    none: '200',
    narrow: '200',
    right: '200',
  },
  { name: 'a granted topic', method: 'GET', path: '/api/topics/portfolio:p1', ...DENIED, right: '200' },
  {
    name: 'a granted stream as a topic',
    method: 'GET',
    path: '/api/topics/portfolio:*',
    ...DENIED,
    right: '200',
  },
  {
    name: 'public history',
    method: 'GET',
    path: '/api/topics/news:a/messages',
    none: '200',
    narrow: '200',
    right: '200',
  },
  {
    name: 'granted history',
    method: 'GET',
    path: '/api/topics/portfolio:p1/messages',
    ...DENIED,
    right: '200',
  },
  {
    name: 'history of a granted stream',
    method: 'GET',
    path: '/api/topics/portfolio:*/messages',
    ...DENIED,
    right: '200',
  },
  {
    name: 'publishing',
    method: 'POST',
    path: '/api/topics/portfolio:p1/messages',
    body: '1',
    ...DENIED,
    right: '201',
  },
  {
    name: 'publishing where all may read',
    method: 'POST',
    path: '/api/topics/news:a/messages',
    body: '1',
    ...DENIED,
    right: '201',
  },
  {
    name: 'publishing many',
    method: 'POST',
    path: '/api/messages',
    body: '[{"topic":"portfolio:p1","data":1}]',
    none: '401 token_missing',
    narrow: '200 denied',
    right: '200',
  },
  {
    name: 'a ticket',
    method: 'POST',
    path: '/api/tickets',
    none: '401 token_missing',
    narrow: '201',
    right: '201',
  },
  {
    name: 'revoking',
    method: 'POST',
    path: '/api/revocations',
    body: '{"jti":"nobody"}',
    ...DENIED,
    right: '201',
    admin: true,
  },
  { name: 'connections', method: 'GET', path: '/api/connections', ...DENIED, right: '200', admin: true },
  {
    name: 'one connection',
    method: 'GET',
    path: '/api/connections/x',
    ...DENIED,
    right: '404 not_found',
    admin: true,
  },
  {
    name: 'cutting one',
    method: 'DELETE',
    path: '/api/connections/x',
    ...DENIED,
    right: '404 not_found',
    admin: true,
  },
  {
    name: 'an event stream of all',
    method: 'GET',
    path: '/stream?topics=news:a',
    none: '200',
    narrow: '200',
    right: '200',
  },
  { name: 'an event stream', method: 'GET', path: '/stream?topics=portfolio:p1', ...DENIED, right: '200' },
  {
    name: 'an event stream of a stream',
    method: 'GET',
    path: '/stream?topics=portfolio:*',
    ...DENIED,
    right: '200',
  },
  {
    name: 'recovery by event stream',
    method: 'GET',
    path: '/stream?topics=news:a,portfolio:p1&since=-',
    ...DENIED,
    right: '200',
  },
];

describe('Who may', () => {
  let app: RunningNode;
  const tokens = {} as Record<State, string>;
  const admins = {} as Record<State, string>;

  async function tokensOf(claims: { admin?: true }): Promise<Record<State, string>> {
    const everything = {
      subscribe: ['portfolio:*', 'signals:*'],
      publish: ['portfolio:*', 'news:*'],
      ...claims,
    };
    const { privateKey } = await generateKeyPair('RS256');
    const payload = { streams: everything, ...claims };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + 300;
    return {
      none: '',
      expired: await token({ ...everything, lastsS: -1 }),
      audience: await token({ ...everything, aud: 'another' }),
      'alg none': `${encode({ alg: 'none' })}.${encode({ ...payload, sub: 'alice', aud: 'axiom-streaming', exp })}.`,
      confused: await new SignJWT(payload)
        .setProtectedHeader({ alg: 'RS256' })
        .setSubject('alice')
        .setAudience('axiom-streaming')
        .setExpirationTime(exp)
        .sign(privateKey),
      // One key of a stream, and not the one that is asked for.
      narrow: await token({ subscribe: ['portfolio:p2'], publish: ['portfolio:p2'] }),
      right: await token(everything),
      revoked: await token({ ...everything, jti: 'revoked' }),
    };
  }

  before(async () => {
    app = await startSecuredApp();
    Object.assign(tokens, await tokensOf({}));
    Object.assign(admins, await tokensOf({ admin: true }));
    for (const topic of ['news:a', 'portfolio:p1']) {
      await call('POST', `${app.url}/api/topics/${topic}/messages`, '1', bearer(tokens.right));
    }
    const { status } = await call(
      'POST',
      `${app.url}/api/revocations`,
      '{"jti":"revoked"}',
      bearer(await token({ admin: true })),
    );
    expect(status).to.equal(201);
  });

  after(() => app?.stop());

  for (const way of WAYS) {
    for (const state of STATES) {
      const refused = way.path === '/metrics' ? '404 not_found' : REFUSED[state];
      const expected = way[state as 'none' | 'narrow' | 'right'] ?? (way.open ? '200' : refused);
      it(`use ${way.name} with the token "${state}": ${expected}`, async () => {
        const text = (way.admin ? admins : tokens)[state];
        const headers = text === '' ? ANONYMOUS : bearer(text);
        expect(await answer(way, headers)).to.equal(expected);
        expect(documented(way), 'what /openapi.json says').to.include(expected.replace('200 denied', '200'));
      });
    }
  }

  /** What the document of HTTP says that may come. */
  function documented({ method, path }: Way): string[] {
    const route = ROUTES.find(
      (one) =>
        one.method === method.toLowerCase() &&
        new RegExp(`^${one.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(path.split('?')[0]!),
    );
    const errors = errorsOf(route!).map((code: ErrorCode) => `${ERRORS[code].status} ${code}`);
    return [...route!.answers.map(({ status }) => String(status)), ...errors];
  }

  async function answer({ method, path, body }: Way, headers: Record<string, string>): Promise<string> {
    if (path.startsWith('/stream')) {
      const abort = new AbortController();
      const sent = headers.Authorization === '' ? {} : headers;
      const response = await fetch(app.url + path, { headers: sent, signal: abort.signal });
      const { status } = response;
      const text = status === 200 ? '' : await response.text();
      abort.abort();
      return status === 200 ? '200' : `${status} ${(JSON.parse(text) as { code: string }).code}`;
    }
    const answered = await call<
      { code?: string; results?: { ok: boolean; error?: { code: string } }[] } | string
    >(method, app.url + path, body, headers);
    const { body: said, status } = answered;
    if (status === 401) expect(answered.headers.get('www-authenticate')).to.match(/^Bearer/);
    const code = typeof said === 'string' ? undefined : (said.code ?? said.results?.[0]?.error?.code);
    return code === undefined ? String(status) : `${status} ${code}`;
  }

  const OPERATIONS: readonly [name: string, operation: string, body: object, none: string, narrow: string][] =
    [
      ['subscribe to all', 'subscribe', { topics: ['news:a'] }, 'ok', 'ok'],
      ['subscribe', 'subscribe', { topics: ['portfolio:p1'] }, 'token_missing', 'denied'],
      ['subscribe to a stream', 'subscribe', { topics: ['portfolio:*'] }, 'token_missing', 'denied'],
      ['recover', 'subscribe', { topics: ['news:a', 'portfolio:p1'], since: '-' }, 'token_missing', 'denied'],
      ['look back', 'subscribe', { topics: ['portfolio:p1'], rewind: 1 }, 'token_missing', 'denied'],
      ['read history', 'history', { topic: 'portfolio:p1' }, 'token_missing', 'denied'],
      ['publish', 'publish', { topic: 'portfolio:p1', data: 1 }, 'token_missing', 'denied'],
      ['publish where all may read', 'publish', { topic: 'news:a', data: 1 }, 'token_missing', 'denied'],
    ];
  const TRANSPORTS = ['socketio', 'socketio with msgpack', 'websocket'] as const;

  for (const transport of TRANSPORTS) {
    for (const state of ['none', 'narrow', 'right'] as const) {
      for (const [name, operation, body, none, narrow] of OPERATIONS) {
        const expected = { none, narrow, right: 'ok' }[state];
        it(`${name} over ${transport} with the token "${state}": ${expected}`, async () => {
          const options = { url: app.url, token: tokens[state] };
          if (transport === 'websocket') {
            const client = await WebSocketTestClient.connect(options);
            const ack = await client.request(operation, { ...body });
            expect(ack.ok ? 'ok' : ack.error?.code).to.equal(expected);
            return client.close();
          }
          const client = await connectSocketIo({ ...options, msgpack: transport !== 'socketio' });
          const ack = await socketIoRequest(client.socket, operation, body);
          expect(ack.ok ? 'ok' : ack.error?.code).to.equal(expected);
          return client.close();
        });
      }
    }

    for (const state of STATES.filter((each) => REFUSED[each] !== undefined)) {
      const [status, code] = REFUSED[state]!.split(' ');
      it(`connect over ${transport} with the token "${state}": ${code}`, async () => {
        if (transport === 'websocket') {
          const refused = await upgrade(tokens[state]);
          expect(refused).to.deep.equal({ status: Number(status), code });
          return;
        }
        const error = await connectError(transport !== 'socketio', tokens[state]);
        expect(error.data?.code).to.equal(code);
      });

      it(`say who they are later over ${transport} with the token "${state}": ${code}`, async () => {
        const options = { url: app.url, token: '' };
        const [client, ack] = await authenticated(transport, options, tokens[state]);
        expect(ack.error?.code).to.equal(code);
        client.close();
      });
    }

    it(`say who they are later over ${transport}, and read more then`, async () => {
      const [client, ack, again] = await authenticated(transport, { url: app.url, token: '' }, tokens.right);
      expect(ack).to.deep.include({ ok: true, subject: 'alice', topics: [], ended: [] });
      expect((ack.streams as { name: string }[]).map(({ name }) => name)).to.include('portfolio');
      expect((await again('subscribe', { topics: ['portfolio:*'] })).ok).to.equal(true);
      client.close();
    });
  }

  async function authenticated(
    transport: (typeof TRANSPORTS)[number],
    options: { url: string; token: string },
    text: string,
  ) {
    if (transport === 'websocket') {
      const client = await WebSocketTestClient.connect(options);
      const again = (operation: string, body: Record<string, unknown>) => client.request(operation, body);
      return [client, await again('auth', { token: text }), again] as const;
    }
    const client = await connectSocketIo({ ...options, msgpack: transport !== 'socketio' });
    const again = (operation: string, body: Record<string, unknown>) =>
      socketIoRequest(client.socket, operation, body);
    return [client, await again('auth', { token: text }), again] as const;
  }

  async function connectError(msgpack: boolean, text: string): Promise<Error & { data?: { code: string } }> {
    const { io } = await import('socket.io-client');
    const { default: parser } = await import('socket.io-msgpack-parser');
    const socket = io(app.url, {
      transports: ['websocket'],
      forceNew: true,
      auth: { token: text },
      ...(msgpack ? { path: '/msgpack/', parser } : {}),
    });
    const error = await new Promise<Error>((resolve) => socket.on('connect_error', resolve));
    expect(socket.active, 'it does not try again').to.equal(false);
    socket.close();
    return error;
  }

  function upgrade(text: string): Promise<{ status: number; code: string }> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`${app.url.replace('http', 'ws')}/ws`, { headers: bearer(text) });
      socket.on('open', () => reject(new Error('it was let in')));
      socket.on('error', () => undefined);
      socket.on('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += String(chunk);
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, code: JSON.parse(body).code }));
      });
    });
  }

  describe('come by', () => {
    const stream = async (query: string, headers: Record<string, string> = {}) => {
      const abort = new AbortController();
      const response = await fetch(`${app.url}/stream?topics=portfolio:p1${query}`, {
        headers,
        signal: abort.signal,
      });
      const code = response.status === 200 ? undefined : ((await response.json()) as { code: string }).code;
      abort.abort();
      return code === undefined ? '200' : `${response.status} ${code}`;
    };

    it('a cookie, for event streams alone', async () => {
      const cookie = { Cookie: `theme=dark; axiom_token=${tokens.right}` };
      expect(await stream('', cookie)).to.equal('200');
      expect(await stream('', { Cookie: `axiom_token=${tokens.expired}` })).to.equal('401 token_expired');
      const { status } = await call('POST', `${app.url}/api/topics/news:a/messages`, '1', {
        ...ANONYMOUS,
        ...cookie,
      });
      expect(status).to.equal(401);
      expect(
        (await call('GET', `${app.url}/api/topics/portfolio:p1`, undefined, { ...ANONYMOUS, ...cookie }))
          .status,
      ).to.equal(401);
    });

    it('a ticket, once', async () => {
      const { body } = await call<{ ticket: string; expiresInMs: number }>(
        'POST',
        `${app.url}/api/tickets`,
        undefined,
        bearer(tokens.right),
      );
      expect(body.expiresInMs).to.equal(30_000);
      expect(await stream(`&ticket=${body.ticket}`)).to.equal('200');
      expect(await stream(`&ticket=${body.ticket}`)).to.equal('401 token_invalid');
      expect(await stream('&ticket=guess')).to.equal('401 token_invalid');
    });

    it('an API key, which is stored as a hash', async () => {
      const { mkdtempSync, writeFileSync, rmSync } = await import('node:fs');
      const { createApiKey } = await import('../../server/auth/api-keys.js');
      const dir = mkdtempSync('/tmp/axiom-spec-keys-');
      const { key, hash } = createApiKey();
      writeFileSync(
        `${dir}/keys.json`,
        JSON.stringify({ feeder: { hash, streams: { publish: ['news:*'] } } }),
      );
      const keyed = await startSecuredApp({ API_KEYS_FILE: `${dir}/keys.json`, JWT_SECRET: '' });
      try {
        const publish = (topic: string, text: string) =>
          call('POST', `${keyed.url}/api/topics/${topic}/messages`, '1', bearer(text));
        expect((await publish('news:a', key)).status).to.equal(201);
        expect((await publish('market:a', key)).status).to.equal(403);
        expect((await publish('news:a', `${key}x`)).body.code).to.equal('token_invalid');
        expect((await publish('news:a', hash)).body.code).to.equal('token_invalid');
        expect((await publish('news:a', await token({ publish: ['news:*'] }))).body.code).to.equal(
          'token_invalid',
        );
      } finally {
        await keyed.stop();
        rmSync(dir, { recursive: true });
      }
    });

    it('no address: a token in a query is refused, and not repeated', async () => {
      for (const name of ['token', 'access_token', 'auth']) {
        const response = await fetch(`${app.url}/stream?topics=news:a&${name}=${tokens.right}`);
        const text = await response.text();
        expect(response.status).to.equal(400);
        expect(text).not.to.include(tokens.right);
      }
    });
  });

  it('a stream that is not theirs is in no list', async () => {
    const names = async (headers: Record<string, string>) =>
      (
        await call<{ streams: { name: string }[] }>('GET', `${app.url}/api/streams`, undefined, headers)
      ).body.streams.map(({ name }) => name);
    expect(await names(ANONYMOUS)).to.deep.equal(['market', 'news', 'system']);
    expect(await names(bearer(tokens.narrow))).to.deep.equal(['market', 'news', 'portfolio', 'system']);
    expect(await names(bearer(tokens.right))).to.deep.equal([
      'market',
      'news',
      'portfolio',
      'signals',
      'system',
    ]);
  });

  it('of a stream of which a part is granted that part alone is shown', async () => {
    await call('POST', `${app.url}/api/topics/portfolio:p2/messages`, '1', bearer(tokens.right));
    const { body } = await call<{ topics: string[] }>(
      'GET',
      `${app.url}/api/streams/portfolio`,
      undefined,
      bearer(tokens.narrow),
    );
    expect(body.topics).to.deep.equal(['portfolio:p2']);
  });
});
