/** What becomes of a connection that goes on where it was told to wait. */
import { expect } from 'chai';
import { type ClientConnection, ClientConnections } from '../../server/auth/client-connections.js';
import { OPENING } from '../../server/auth/connection-costs.js';
import type { EndReason } from '../../server/auth/connection-ends.js';
import { HubError } from '../../server/errors.js';
import { HUB_ITSELF } from '../../server/hub/access.js';
import type { Subscriber } from '../../server/hub/delivery/subscriber.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { SECRET, token } from './support.js';

const MOST = 100;

describe('A connection whose requests are refused as `rate_limited`', () => {
  let now = 0;
  let ended: EndReason[] = [];
  let refusal: () => void | Promise<void> = () => undefined;
  let connections: ClientConnections;
  let connection: ClientConnection;
  const { now: realNow } = performance;

  before(() => {
    performance.now = () => now;
  });

  after(() => {
    performance.now = realNow;
  });

  beforeEach(() => {
    now = 5_000;
    ended = [];
    const unlimited = { take: () => undefined };
    connections = new ClientConnections({
      node: 'test-node',
      limits: {
        connectionsPerAddress: 10,
        connectionsPerSubject: 10,
        requestsPerSecond: 1_000,
        publishesPerSecond: 1_000,
        unauthenticatedMs: 0,
      },
      publishes: unlimited as never,
      costs: { take: () => refusal(), charge: () => undefined, check: () => undefined, waitMs: () => 0 },
      leewayMs: 0,
      current: (principal) => principal,
      banned: () => false,
      verify: () => ({ ...HUB_ITSELF, subject: 'hub' }),
      onEnd: (reason) => ended.push(reason),
      onRefused: () => undefined,
    });
    connection = connections.open(HUB_ITSELF, '203.0.113.1', 'websocket', {
      gone: false,
      onGone: () => () => undefined,
    });
    const subscriber: Pick<Subscriber, 'id' | 'ended' | 'close'> = {
      id: 'a',
      ended: false,
      close: () => undefined,
    };
    connection.bind(subscriber as Subscriber);
    refusal = () => undefined;
    for (let i = 0; i < OPENING.requests; i++) connection.spend('request', 1);
  });

  afterEach(() => connections.stop());

  const limited = () => new HubError('rate_limited', 'too many', { retryAfterMs: 100 });
  /** Codes of the refusals of this many requests. */
  const spend = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        try {
          await connection.spend('request', 1);
          return undefined;
        } catch (error) {
          return (error as HubError).code;
        }
      }),
    );

  const WAYS: Readonly<Record<string, () => Promise<void>>> = {
    'at once': () => {
      throw limited();
    },
    later: () => Promise.reject(limited()),
  };

  for (const [when, way] of Object.entries(WAYS)) {
    it(`is ended after a hundred refusals that come ${when}`, async () => {
      refusal = way;
      expect(await spend(MOST)).to.deep.equal(Array<string>(MOST).fill('rate_limited'));
      expect(ended).to.deep.equal([]);
      expect(await spend(1)).to.deep.equal(['rate_limited']);
      expect(ended).to.deep.equal(['too_many']);
    });

    it(`is ended where refusals that come ${when} go on from second to second`, async () => {
      refusal = way;
      for (let second = 0; second < 3; second++) {
        await spend(40);
        now += 1_000;
      }
      expect(ended).to.not.be.empty;
    });

    it(`is counted from the beginning after a second without a refusal that comes ${when}`, async () => {
      refusal = way;
      for (let round = 0; round < 3; round++) {
        await spend(MOST);
        now += 2_000;
      }
      expect(ended).to.deep.equal([]);
    });
  }

  it('is not ended for other refusals', async () => {
    refusal = () => Promise.reject(new HubError('overloaded', 'too much'));
    expect(await spend(2 * MOST)).to.deep.equal(Array<string>(2 * MOST).fill('overloaded'));
    expect(ended).to.deep.equal([]);
  });
});

describe('A client that goes on where it was told to wait', () => {
  let app: RunningNode;
  const clients: { close(): void }[] = [];

  before(async () => {
    app = await startTestApp({
      JWT_SECRET: SECRET,
      PUBLISH_KEY: '',
      MAX_REQUESTS_PER_SECOND_PER_ADDRESS: '5',
      MAX_PUBLISHES_PER_SECOND_PER_SUBJECT: '5',
    });
  });

  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  after(() => app?.stop());

  const LIMITS = [
    ['its address', 'history', { topic: 'news:a' }, 1],
    ['its subject', 'publish', { topic: 'news:a', data: 1 }, 2],
  ] as const;

  for (const [limit, operation, body, n] of LIMITS) {
    it(`past the limit of ${limit} is closed with 4429 over WebSocket`, async () => {
      const text = await token({ sub: 'websocket', publish: ['news:*'] });
      const client = await WebSocketTestClient.connect({
        url: app.url,
        token: text,
        address: `203.0.113.${n}`,
      });
      clients.push(client);
      const closed = new Promise<number>((resolve) => client.socket.once('close', resolve));
      for (let i = 0; i < 200; i++) client.socket.send(JSON.stringify({ op: operation, ...body }));
      expect(await closed).to.equal(4429);
    });

    it(`past the limit of ${limit} is closed with 4429 over Socket.IO`, async () => {
      const text = await token({ sub: 'socketio', publish: ['news:*'] });
      const client = await connectSocketIo({ url: app.url, token: text, address: `203.0.113.1${n}` });
      clients.push(client);
      const closed = new Promise<unknown>((resolve) =>
        client.socket.once('disconnect', (_reason, details) => resolve(details)),
      );
      for (let i = 0; i < 200; i++) client.socket.emit(operation, body);
      expect(await closed).to.have.nested.property('context.code', 4429);
    });
  }
});
