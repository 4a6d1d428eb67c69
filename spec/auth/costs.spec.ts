/** What becomes of clients that cause more work than they may. */
import { request } from 'node:http';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { ANONYMOUS, bearer, startSecuredApp, token } from './support.js';

const RATE = 10;

describe('A client that asks too much', () => {
  let app: RunningNode;
  const clients: { close(): void }[] = [];

  before(async () => {
    app = await startSecuredApp({
      MAX_REQUESTS_PER_SECOND_PER_ADDRESS: String(RATE),
      MAX_REQUESTS_PER_SECOND_PER_SUBJECT: String(RATE),
    });
  });

  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  after(() => app?.stop());

  let addresses = 0;
  const newAddress = () => {
    addresses += 1;
    return `203.0.113.${addresses}`;
  };
  const ask = (path: string, init: RequestInit = {}) => fetch(`${app.url}${path}`, init);
  /** How many of these requests, all at once, are answered with 429; all of those say when to come back. */
  const refusedOf = async (count: number, path: string, init: RequestInit = {}) => {
    const answers = await Promise.all(
      Array.from({ length: count }, async () => {
        const { status, headers } = await ask(path, init);
        return { status, retryAfter: headers.get('retry-after') };
      }),
    );
    const refused = answers.filter(({ status }) => status === 429);
    for (const { retryAfter } of refused) expect(retryAfter).to.match(/^[1-9]\d*$/);
    return refused.length;
  };

  const REQUESTS: readonly (readonly [string, string, string])[] = [
    ['a list', 'GET', '/api/streams'],
    ['a document', 'GET', '/openapi.json'],
    ['another document', 'GET', '/asyncapi.json'],
    ['the pages', 'GET', '/docs/'],
    ['a file of the page', 'GET', '/assets/none.js'],
    ['what does not exist', 'GET', '/nothing'],
    ['what cannot be posted to', 'POST', '/nothing'],
    ['a method that is not offered', 'DELETE', '/api/streams'],
    ['a ticket without a token', 'POST', '/api/tickets'],
    ['a call of MCP that is none', 'POST', '/mcp'],
    ['a subscription that is none', 'POST', '/stream/subscriptions'],
    ['a poll of an unknown session', 'GET', '/socket.io/?EIO=4&transport=polling&sid=unknown'],
    ['a handshake of an old protocol', 'GET', '/socket.io/?EIO=3&transport=polling'],
    ['an event stream of what is no topic', 'GET', '/stream?topics=none'],
    ['health', 'GET', '/health'],
    ['metrics', 'GET', '/metrics'],
  ];

  for (const [what, method, path] of REQUESTS) {
    it(`is refused for now: ${what}`, async () => {
      const address = newAddress();
      const init = { method, headers: { 'X-Forwarded-For': address } };
      const started = performance.now();
      const refused = await refusedOf(4 * RATE, path, init);
      const earned = RATE * (1 + (performance.now() - started) / 1_000);
      expect(refused).to.be.at.least(Math.min(1, 4 * RATE - Math.floor(earned)));
      const other = await ask(path, { method, headers: { 'X-Forwarded-For': newAddress() } });
      expect(other.status, 'another address').not.to.equal(429);
    });
  }

  it('is refused for now: an upgrade that there is not', async () => {
    const headers = {
      'X-Forwarded-For': newAddress(),
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version': '13',
    };
    const statuses = await Promise.all(
      Array.from(
        { length: 4 * RATE },
        () =>
          new Promise<number | undefined>((resolve, reject) => {
            request(`${app.url}/nowhere`, { headers, agent: false }, (response) => {
              response.resume();
              resolve(response.statusCode);
            })
              .on('error', reject)
              .end();
          }),
      ),
    );
    expect(new Set(statuses)).to.deep.equal(new Set([404, 429]));
  });

  it('is not read any more where too many of its publications over HTTP were refused', async () => {
    const headers = bearer(await token({ sub: 'malformed', publish: ['news:*'] }));
    const post = async (body: string) =>
      (await ask('/api/topics/news:a/messages', { method: 'POST', headers, body })).status;
    // Each costs five units, from this machine, whose address is not counted.
    const malformed = `[${'1,'.repeat(32 * 1024)}`;
    let read = 0;
    await until('it is refused before it is read', async () => {
      const status = await post(malformed);
      if (status === 400) read += 1;
      return status === 429;
    });
    // Ten seconds of its units, those that it earned meanwhile, and those of the bucket.
    expect(read).to.be.within(15, 60);
    expect(await post('1'), 'a good one').to.equal(429);
    expect((await ask('/api/streams', { headers })).status, 'what it reads').to.equal(200);
    const other = bearer(await token({ sub: 'wellformed', publish: ['news:*'] }));
    const { status } = await ask('/api/topics/news:a/messages', {
      method: 'POST',
      headers: other,
      body: '1',
    });
    expect(status, 'another subject').to.equal(201);
  });

  it('is not read any more where too many items of its batches were refused', async () => {
    const headers = bearer(await token({ sub: 'batches', publish: ['news:*'] }));
    const body = JSON.stringify(Array.from({ length: 200 }, () => ({ topic: 'news:a' })));
    const post = async () => (await ask('/api/messages', { method: 'POST', headers, body })).status;
    expect(await post(), 'one costs twenty seconds').to.equal(200);
    expect(await post()).to.equal(429);
  });

  it('may ask for its CORS preflights ten times as often', async () => {
    const headers = { 'X-Forwarded-For': newAddress() };
    expect(await refusedOf(5 * RATE, '/api/streams', { method: 'OPTIONS', headers })).to.equal(0);
    const started = performance.now();
    const refused = await refusedOf(20 * RATE, '/api/streams', { method: 'OPTIONS', headers });
    const earned = 10 * RATE * (1 + (performance.now() - started) / 1_000);
    expect(refused).to.be.at.least(Math.min(1, 20 * RATE - Math.floor(earned)));
  });

  it('is told whether the node is well all the same, as often as it may ask for anything', async () => {
    const headers = { 'X-Forwarded-For': newAddress() };
    await refusedOf(2 * RATE, '/nothing', { headers });
    expect(await refusedOf(RATE, '/health/live', { headers })).to.equal(0);
    expect(await refusedOf(20 * RATE, '/health/ready', { headers })).to.be.at.least(1);
  });

  it('pays as a subject, too, wherever it comes from', async () => {
    const headers = bearer(await token({ sub: 'everywhere' }));
    // From this machine, whose address is not counted.
    expect(await refusedOf(4 * RATE, '/api/streams', { headers: ANONYMOUS })).to.equal(0);
    expect(await refusedOf(8 * RATE, '/api/streams', { headers })).to.be.at.least(1);
    const metrics = await (await ask('/metrics')).text();
    expect(metrics).to.match(/axiom_limits_refused_total\{limit="requests_per_subject"\} [1-9]/);
    expect(metrics).to.match(/axiom_work_units_total\{kind="request"\} [1-9]/);
  });

  it('waits longer after a ticket than after a request', async () => {
    const headers = bearer(await token({ sub: 'tickets' }));
    await until('all that was spent is earned again', async () => {
      const { status } = await ask('/api/tickets', { method: 'POST', headers });
      return status === 201;
    });
    // Each is a request, and four more.
    expect(await refusedOf(RATE, '/api/tickets', { method: 'POST', headers })).to.be.at.least(1);
  });

  const FRAMES = {
    'unknown operations': { op: 'shout' },
    'malformed publications': { op: 'publish', topic: 'news:a' },
    'publications that are not allowed': { op: 'publish', topic: 'news:a', data: 1 },
    'malformed requests': { op: 'subscribe' },
  };

  for (const [what, frame] of Object.entries(FRAMES)) {
    it(`is closed with 4429 where it goes on with ${what} over WebSocket`, async () => {
      const client = await WebSocketTestClient.connect({ url: app.url, token: '', address: newAddress() });
      clients.push(client);
      let code: number | undefined;
      client.socket.once('close', (closed) => {
        code = closed;
      });
      let sent = 0;
      await until('it is closed', () => {
        // Fewer than may wait for their answers.
        for (let i = 0; i < 50 && code === undefined; i++, sent++) client.socket.send(JSON.stringify(frame));
        return code !== undefined;
      });
      expect(code).to.equal(4429);
      expect(sent).to.be.below(5_000);
    });
  }

  describe('of snapshots', () => {
    const KEYS = 2_000;
    const address = '198.51.100.1';

    before(async () => {
      const headers = bearer(await token({ sub: 'filler', publish: ['market:*'] }));
      for (let from = 0; from < KEYS; from += 500) {
        const items = Array.from({ length: 500 }, (_, i) => ({ topic: `market:k${from + i}`, data: i }));
        const { status } = await ask('/api/messages', {
          method: 'POST',
          headers,
          body: JSON.stringify(items),
        });
        expect(status).to.equal(200);
      }
    });

    it('gets a few, however often it subscribes, and is closed with 4429 where it goes on', async () => {
      const client = await WebSocketTestClient.connect({ url: app.url, token: '', address });
      clients.push(client);
      let code: number | undefined;
      let messages = 0;
      client.socket.once('close', (closed) => {
        code = closed;
      });
      client.socket.on('message', (data) => {
        if (String(data).startsWith('{"op":"message"')) messages += 1;
      });
      await until('it is closed', () => {
        if (code === undefined) {
          client.socket.send(JSON.stringify({ op: 'subscribe', topics: ['market:*'] }));
          client.socket.send(JSON.stringify({ op: 'unsubscribe', topics: ['market:*'] }));
        }
        return code !== undefined;
      });
      expect(code).to.equal(4429);
      // What came with the connection and a debt of ten seconds pay for two; the next waits for what is owed.
      expect(messages).to.be.within(KEYS, 5 * KEYS);
    });

    it('and an address that owes that much may connect again and go on from its cursor', async () => {
      const refused = await ask('/api/streams', { headers: { 'X-Forwarded-For': address } });
      expect(refused.status).to.equal(429);
      expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 21);
      const client = await WebSocketTestClient.connect({ url: app.url, token: '', address });
      clients.push(client);
      const { cursor } = (await (await ask('/api/streams/market')).json()) as { cursor: string };
      const ack = await client.request('subscribe', { topics: ['market:*'], since: cursor });
      expect(ack).to.include({ ok: true });
      expect(ack).to.have.nested.property('topics[0].recovered', true);
    });
  });

  it('is not told apart by publications that succeed', async () => {
    const address = newAddress();
    const client = await WebSocketTestClient.connect({
      url: app.url,
      token: await token({ sub: 'publisher', publish: ['news:*'] }),
      address,
    });
    clients.push(client);
    for (let round = 0; round < 5; round++) {
      const acks = await Promise.all(
        Array.from({ length: 5 * RATE }, (_, i) => client.request('publish', { topic: 'news:a', data: i })),
      );
      for (const ack of acks) expect(ack).to.include({ ok: true });
    }
  });
});
