/** Browsers: which pages may use the hub. */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { expect } from 'chai';
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { answers } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { call } from '../support/http.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { ANONYMOUS, atMost, bearer, startSecuredApp, token } from './support.js';

const FRIEND = 'https://app.example.com';
const STRANGER = 'https://evil.example.com';

describe('A page of another origin', () => {
  let app: RunningNode;

  before(async () => {
    app = await startSecuredApp({ ALLOWED_ORIGINS: FRIEND });
  });

  after(() => app?.stop());

  /** The status of a handshake or an upgrade that a page begins. */
  function handshake(path: string, origin: string | undefined, upgrade: boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      const { port } = new URL(app.url);
      const headers: Record<string, string> = origin === undefined ? {} : { Origin: origin };
      if (upgrade) {
        Object.assign(headers, {
          Connection: 'Upgrade',
          Upgrade: 'websocket',
          'Sec-WebSocket-Version': '13',
          'Sec-WebSocket-Key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
        });
      }
      const sent = httpRequest({
        host: '127.0.0.1',
        port,
        path,
        headers: { Host: `localhost:${port}`, ...headers },
      });
      sent.on('response', (response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      });
      sent.on('upgrade', (_response, socket) => {
        resolve(101);
        socket.destroy();
      });
      sent.on('error', reject);
      sent.end();
    });
  }

  const WAYS = [
    ['Socket.IO polling', '/socket.io/?EIO=4&transport=polling', false],
    ['Socket.IO', '/socket.io/?EIO=4&transport=websocket', true],
    ['Socket.IO with MessagePack', '/msgpack/?EIO=4&transport=websocket', true],
    ['WebSocket', '/ws', true],
    ['an event stream', '/stream?topics=news:a', false],
  ] as const;
  for (const [name, path, upgrade] of WAYS) {
    it(`connects over ${name} only where it is on the list`, async () => {
      const welcome = upgrade ? 101 : 200;
      const own = `http://localhost:${new URL(app.url).port}`;
      expect(await handshake(path, STRANGER, upgrade)).to.equal(403);
      expect(await handshake(path, 'null', upgrade)).to.equal(403);
      expect(await handshake(path, `${own}.evil.example.com`, upgrade)).to.equal(403);
      expect(await handshake(path, FRIEND, upgrade)).to.equal(welcome);
      expect(await handshake(path, own, upgrade)).to.equal(welcome);
      expect(await handshake(path, undefined, upgrade)).to.equal(welcome);
    });
  }

  it('reads answers only where it is on the list', async () => {
    const allowed = async (origin: string, path: string) => {
      const { headers } = await call('GET', app.url + path, undefined, { ...ANONYMOUS, Origin: origin });
      if (path.startsWith('/api')) expect(headers.get('vary')).to.match(/Origin/);
      if (path.startsWith('/api')) expect(headers.get('access-control-allow-credentials')).to.equal(null);
      return headers.get('access-control-allow-origin');
    };
    for (const path of ['/api/streams', '/api/topics/portfolio:a', '/socket.io/?EIO=4&transport=polling']) {
      expect(await allowed(FRIEND, path), path).to.equal(FRIEND);
      expect(await allowed(STRANGER, path), path).to.equal(null);
    }
  });

  it('is told before it publishes whether it may', async () => {
    const ask = (origin: string) =>
      fetch(`${app.url}/api/topics/news:a/messages`, {
        method: 'OPTIONS',
        headers: {
          Origin: origin,
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'authorization,idempotency-key',
        },
      });
    const friend = await ask(FRIEND);
    expect(friend.status).to.equal(204);
    expect(friend.headers.get('access-control-allow-origin')).to.equal(FRIEND);
    expect(friend.headers.get('access-control-allow-headers')).to.match(/Authorization.*Idempotency-Key/i);
    expect((await ask(STRANGER)).headers.get('access-control-allow-origin')).to.equal(null);
  });
});

describe('A hub for development', () => {
  let app: RunningNode;

  before(async () => {
    app = await startTestApp();
  });

  after(() => app?.stop());

  const status = async (headers: Record<string, string>) =>
    (await call('GET', `${app.url}/api/streams`, undefined, { ...ANONYMOUS, ...headers })).status;

  it('serves this machine, and nobody who comes through a proxy from elsewhere', async () => {
    expect(await status({})).to.equal(200);
    expect(await status({ 'X-Forwarded-For': '127.0.0.9' })).to.equal(200);
    expect(await status({ 'X-Forwarded-For': '203.0.113.5' })).to.equal(403);
    expect(await status({ 'X-Forwarded-For': '10.0.0.5' })).to.equal(403);
  });

  it('does not answer to a name that was made to lead here', async () => {
    const { port } = new URL(app.url);
    const answered = (host: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(Number(port), '127.0.0.1', () =>
          socket.write(`GET /api/streams HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
        );
        socket.once('data', (data) => resolve(String(data).slice(9, 12)));
      });
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, 'hub.localhost', `[::1]:${port}`]) {
      expect(await answered(host), host).to.equal('200');
    }
    for (const host of [`evil.example.com:${port}`, 'localhost.evil.example.com', '127.0.0.1.nip.io']) {
      expect(await answered(host), host).to.equal('403');
    }
  });

  it('lets everything be read without a token, and nothing be published', async () => {
    expect(
      (await call('GET', `${app.url}/api/topics/portfolio:*/messages`, undefined, ANONYMOUS)).status,
    ).to.equal(200);
    const { status: refused, body } = await call(
      'POST',
      `${app.url}/api/topics/news:a/messages`,
      '1',
      ANONYMOUS,
    );
    expect([refused, body.code]).to.deep.equal([401, 'token_missing']);
  });
});

describe('Limits by address', () => {
  let app: RunningNode;

  before(async () => {
    app = await startSecuredApp({
      MAX_CONNECTIONS_PER_ADDRESS: '3',
      MAX_CONNECTIONS_PER_SUBJECT: '2',
      MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS: '5',
      MAX_REQUESTS_PER_SECOND_PER_ADDRESS: '10',
      MAX_REQUESTS_PER_SECOND_PER_CONNECTION: '20',
      MAX_PUBLISHES_PER_SECOND_PER_CONNECTION: '10',
      MAX_TOPICS_PER_EVENT_STREAM: '2',
    });
  });

  after(() => app?.stop());

  const clients: { close(): void }[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  const from = (n: number) => ({ 'X-Forwarded-For': `203.0.113.${n}` });
  const stream = async (headers: Record<string, string>, topics = 'news:a') => {
    const abort = new AbortController();
    clients.push({ close: () => abort.abort() });
    return fetch(`${app.url}/stream?topics=${topics}`, { headers, signal: abort.signal });
  };
  const metric = async (name: string) => {
    const text = await (await fetch(`${app.url}/metrics`)).text();
    return Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
  };

  it('answer 429 with Retry-After above a number of connections, without effect on others', async () => {
    for (let i = 0; i < 3; i++) expect((await stream(from(1))).status).to.equal(200);
    const refused = await stream(from(1));
    expect(refused.status).to.equal(429);
    expect(refused.headers.get('retry-after')).to.match(/^[1-9]\d*$/);
    expect(((await refused.json()) as { code: string }).code).to.equal('too_many_connections');
    expect((await stream(from(2))).status).to.equal(200);
    expect(await metric('axiom_limits_refused_total{limit="connections_per_address"}')).to.be.at.least(1);
  });

  it('count a network of IPv6 as one address', async () => {
    const v6 = (host: string) => ({ 'X-Forwarded-For': `2001:db8:1:2:${host}` });
    for (const host of ['1::1', '2::2', '3:4:5:6']) expect((await stream(v6(host))).status).to.equal(200);
    expect((await stream(v6('9::9'))).status).to.equal(429);
    expect((await stream({ 'X-Forwarded-For': '2001:db8:1:3::1' })).status).to.equal(200);
  });

  it('hold for handshakes: 429 over Socket.IO as well', async () => {
    const started = performance.now();
    const answered = await Promise.all(
      Array.from({ length: 30 }, () =>
        fetch(`${app.url}/socket.io/?EIO=4&transport=polling`, { headers: from(3) }),
      ),
    );
    const refused = answered.filter((response) => response.status === 429);
    expect(30 - refused.length).to.be.within(1, atMost(5, started));
    expect(refused[0]!.headers.get('retry-after')).to.match(/^[1-9]\d*$/);
    expect(await metric('axiom_limits_refused_total{limit="handshakes"}')).to.be.at.least(refused.length);
  });

  it('hold for tokens that are tried, and for requests', async () => {
    const guess = (i: number) =>
      call('GET', `${app.url}/api/streams`, undefined, { ...bearer(`guess-${i}`), ...from(4) });
    // In the second round the requests themselves are refused, at once, while a token is being looked at.
    for (const least of [15, 25]) {
      const started = performance.now();
      const guesses = await Promise.all(Array.from({ length: 30 }, (_, n) => guess(n)));
      const refused = guesses.filter(({ status }) => status === 429).length;
      expect(refused).to.be.at.least(Math.min(least, 30 - atMost(10, started)));
    }
    const started = performance.now();
    const asked = await Promise.all(
      Array.from({ length: 40 }, () =>
        call('GET', `${app.url}/api/streams`, undefined, { ...ANONYMOUS, ...from(5) }),
      ),
    );
    const answered200 = asked.filter(({ status }) => status === 200).length;
    expect(answered200).to.be.within(9, Math.max(25, atMost(10, started)));
  });

  it('hold for a subject, wherever it comes from', async () => {
    const text = await token({ sub: 'many' });
    for (let i = 0; i < 2; i++)
      expect((await stream({ ...from(10 + i), ...bearer(text) })).status).to.equal(200);
    expect((await stream({ ...from(12), ...bearer(text) })).status).to.equal(429);
  });

  it('hold for the topics of an event stream', async () => {
    expect((await stream(from(20), 'news:a,news:b')).status).to.equal(200);
    expect((await stream(from(20), 'news:a,news:b,news:c')).status).to.equal(422);
  });

  it('apply to the requests of a connection: they are refused with a time to retry, then it is closed with 4429', async () => {
    const client = await WebSocketTestClient.connect({ url: app.url, token: '', address: '203.0.113.30' });
    clients.push(client);
    const started = performance.now();
    const acks = await Promise.all(
      Array.from({ length: 60 }, () => client.request('history', { topic: 'news:a' })),
    );
    const refused = acks.filter(({ ok }) => !ok);
    expect(60 - refused.length).to.be.within(10, atMost(20, started));
    expect(refused[0]!.error).to.include({ code: 'rate_limited' });
    expect((refused[0]!.error as { retryAfterMs?: number }).retryAfterMs).to.be.within(1, 1_000);
    const closed = new Promise<number>((resolve) => client.socket.once('close', resolve));
    for (let i = 0; i < 200; i++) client.socket.send('{"op":"history","topic":"news:a"}');
    expect(await closed).to.equal(4429);
  });

  it('hold for what a connection publishes', async () => {
    const text = await token({ sub: 'publisher', publish: ['news:*'] });
    const client = await connectSocketIo({ url: app.url, token: text, address: '203.0.113.31' });
    clients.push(client);
    const started = performance.now();
    const acks = await Promise.all(
      Array.from({ length: 30 }, (_, n) => client.request('publish', { topic: 'news:a', data: n })),
    );
    expect(acks.filter(({ ok }) => ok).length).to.be.within(10, atMost(10, started));
    expect(acks.at(-1)!.error?.code).to.equal('rate_limited');
  });
});

describe('A node in production', () => {
  it('lets no secret into its logs, whatever comes in', async () => {
    const SECRET = 'planted-secret-planted-secret-planted';
    const port = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const lines: string[] = [];
    const node = new ManagedProcess({
      name: 'node',
      command: process.execPath,
      args: [new URL('../../server/main.js', import.meta.url).pathname],
      env: {
        PORT: String(port),
        REDIS_URL: '',
        FEEDS: 'off',
        LOG_LEVEL: 'debug',
        JWT_SECRET: SECRET,
        METRICS_TOKEN: 'planted-metrics-token',
        DRAIN_MS: '0',
      },
      ready: () => answers(`${url}/health/ready`),
      onLine: (line) => lines.push(line),
    });
    await node.start();
    const text = await token({ secret: SECRET, subscribe: ['portfolio:*'], publish: ['news:*'] });
    const seen: string[] = [];
    const ask = async (method: string, path: string, headers: Record<string, string>, body?: string) => {
      const answer = await call(method, url + path, body, { ...ANONYMOUS, ...headers });
      seen.push(JSON.stringify(answer.body), JSON.stringify([...answer.headers]));
    };
    for (const credential of [text, `${text}x`, SECRET, 'planted-metrics-token']) {
      for (const path of [
        '/health',
        '/metrics',
        '/api/streams',
        '/api/topics/portfolio:a',
        '/nothing',
        '/api/%E0%A4',
      ]) {
        await ask('GET', path, bearer(credential));
      }
      await ask('POST', '/api/topics/news:a/messages', bearer(credential), '1');
      await ask('POST', '/api/messages', bearer(credential), '{');
      await ask('POST', '/api/tickets', bearer(credential));
      await ask('GET', `/stream?topics=news:a&token=${credential}`, {});
      await ask('GET', `/stream?topics=nothing`, { Cookie: `axiom_token=${credential}` });
    }
    const client = await connectSocketIo({ url, token: text });
    await client.request('auth', { token: `${text}y` });
    client.close();
    await node.stop('SIGTERM');
    const everything = [...lines, ...seen].join('\n');
    for (const secret of [SECRET, 'planted-metrics-token', text]) expect(everything).not.to.include(secret);
    expect(everything).not.to.match(/at .*\.[jt]s:\d+/);
    expect(lines.length).to.be.greaterThan(3);
  });

  it('serves no address but its own machine without a secret, and says what to set', async () => {
    const { spawnSync } = await import('node:child_process');
    const main = new URL('../../server/main.js', import.meta.url).pathname;
    const { stderr, status } = spawnSync(process.execPath, [main], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOST: '0.0.0.0', PORT: '0' },
    });
    expect(status).to.equal(2);
    expect(stderr).to.include('JWT_SECRET').and.to.include('0.0.0.0');
  });
});
