/** Work is paid for: out of a bucket of units for each address, and one for each subject. */
import { expect } from 'chai';
import { CostBucket } from '../../server/auth/cost-bucket.js';
import { CostMeter } from '../../server/auth/cost-meter.js';
import { COST_NAMES, unitsOf } from '../../server/auth/costs.js';
import { HubError } from '../../server/errors.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { ANONYMOUS, bearer, startSecuredApp, token } from './support.js';

const RATE = 10;

/** The refusal of a call that refuses at once. */
function refusalOf(call: () => unknown): HubError | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    expect(error).to.be.instanceOf(HubError);
    return error as HubError;
  }
}

describe('A bucket of units', () => {
  let now = 0;
  let refused: string[] = [];
  let bucket: CostBucket;

  beforeEach(() => {
    now = 1_000;
    refused = [];
    bucket = new CostBucket({
      name: 'requests_per_address',
      perSecond: RATE,
      onRefused: (limit) => refused.push(limit),
      now: () => now,
    });
  });

  it('gives what it holds, then says when there is more', () => {
    for (let i = 0; i < RATE; i++) expect(refusalOf(() => bucket.take('a', 1))).to.equal(undefined);
    const refusal = refusalOf(() => bucket.take('a', 1));
    expect(refusal).to.include({ code: 'rate_limited', retryAfterMs: 100 });
    expect(refused).to.deep.equal(['requests_per_address']);
    expect(
      refusalOf(() => bucket.take('b', 1)),
      'another key',
    ).to.equal(undefined);
    now += 100;
    expect(refusalOf(() => bucket.take('a', 1))).to.equal(undefined);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(100);
  });

  it('holds no more than it earns in a second', () => {
    bucket.take('a', RATE);
    now += 60_000;
    bucket.take('a', RATE);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(100);
  });

  it('gives all it holds for what costs more', () => {
    expect(refusalOf(() => bucket.take('a', 1_000))).to.equal(undefined);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(100);
  });

  it('makes what follows wait for what was charged', () => {
    bucket.charge('a', 6 * RATE);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(5_100);
    now += 5_100;
    expect(refusalOf(() => bucket.take('a', 1))).to.equal(undefined);
  });

  it('stops work that can stop when it owes ten seconds', () => {
    bucket.charge('a', 11 * RATE);
    expect(
      refusalOf(() => bucket.check('a')),
      'owes ten seconds',
    ).to.equal(undefined);
    expect(bucket.waitMs('a')).to.equal(0);
    bucket.charge('a', 1);
    expect(refusalOf(() => bucket.check('a'))).to.include({ code: 'rate_limited', retryAfterMs: 10_100 });
    expect(bucket.waitMs('a')).to.be.closeTo(100, 0.001);
    now += 100;
    expect(refusalOf(() => bucket.check('a'))).to.equal(undefined);
  });

  it('owes no more than twenty seconds, whatever was done', () => {
    for (let i = 0; i < 100; i++) bucket.charge('a', 1_000 * RATE);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(20_100);
  });

  it('holds refusals back from those who keep asking', async () => {
    bucket.take('a', RATE);
    let prompt = 0;
    while (refusalOf(() => void bucket.take('a', 1)?.catch(() => undefined)) !== undefined) prompt += 1;
    expect(prompt).to.equal(20);
  });
});

describe('The meter of a node', () => {
  const refused: string[] = [];
  let meter: CostMeter;

  beforeEach(() => {
    refused.length = 0;
    meter = new CostMeter({ perAddress: 5, perSubject: 8, onRefused: (limit) => refused.push(limit) });
  });

  const payers = {
    address: { address: '203.0.113.1', subject: undefined },
    subject: { address: undefined, subject: 'alice' },
    both: { address: '203.0.113.2', subject: 'bob' },
    nobody: { address: undefined, subject: undefined },
  };
  const takes = (payer: keyof typeof payers) => {
    let taken = 0;
    while (taken < 100 && refusalOf(() => meter.take(payers[payer], 'request')) === undefined) taken += 1;
    return taken;
  };

  it('lets an address and a subject each pay, and whoever is both by both', () => {
    expect(takes('address')).to.equal(5);
    expect(takes('subject')).to.equal(8);
    expect(takes('both')).to.equal(5);
    expect(refused).to.deep.equal(['requests_per_address', 'requests_per_subject', 'requests_per_address']);
    expect(takes('nobody')).to.equal(100);
  });

  it('counts the units of each kind of work', () => {
    meter.take(payers.address, 'request');
    meter.charge(payers.subject, 'messages_read', 5_000);
    meter.charge(payers.nobody, 'messages_read', 50);
    expect(meter.units.get('request')).to.equal(1);
    expect(meter.units.get('messages_read')).to.equal(unitsOf('messages_read', 5_050));
    expect([...meter.units.keys()]).to.deep.equal(COST_NAMES);
  });
});

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
