/** A Redis that has no memory left refuses writes. Nodes go on to serve readers, and say what is wrong. */
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import type { RedisLink } from '../../server/redis/redis-link.js';
import { bearer, startSecuredApp, token } from '../auth/support.js';
import { startTestApp } from '../http/test-app.js';
import { OwnRedis } from '../log/own-redis.js';
import { CLIENTS, type TestClient } from '../support/client.js';
import { call, get, publish as publishTo } from '../support/http.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { streamsFile } from '../support/streams-file.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';

interface Health {
  readonly status: string;
  readonly cause?: string;
}

describe('A node whose Redis is full', () => {
  let redis: OwnRedis;
  let link: RedisLink;
  let app: RunningNode;
  let root: string;
  const clients: TestClient[] = [];
  const nodes: RunningNode[] = [];

  const startNode = async (NODE_ID: string) => {
    const node = await startSecuredApp({ NODE_ID, REDIS_URL: redis.url });
    nodes.push(node);
    return node;
  };
  const ask = <T = Record<string, unknown>>(method: string, path: string, body?: string, url = app.url) =>
    call<T>(method, `${url}${path}`, body, bearer(root));
  const health = async (path: string, url = app.url) => (await ask<Health>('GET', path, undefined, url)).body;
  const publish = (topic: string, data: unknown) =>
    ask('POST', `/api/topics/${topic}/messages`, JSON.stringify(data));
  const limitTo = (bytes: string) => link.command(['CONFIG', 'SET', 'maxmemory', bytes]);

  before(async () => {
    redis = await OwnRedis.start();
    link = await redis.connect();
    root = await token({
      sub: 'root',
      admin: true,
      publish: ['market:*', 'news:*'],
      subscribe: ['market:*'],
    });
    app = await startNode('one');
    for (const topic of ['market:A', 'market:B', 'news:a']) await publish(topic, 1);
  });

  beforeEach(async () => {
    await limitTo('1mb');
    await until('it is known', async () => {
      await publish('market:A', 2);
      return (await health('/health')).cause === 'redis_full';
    });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await limitTo('0');
    await until('it has recovered by itself', async () => (await health('/health')).status === 'ok');
  });

  after(async () => {
    for (const node of nodes) await node.stop();
    await redis?.stop();
  });

  it('is degraded, with the cause, and ready: readers are still sent to it', async () => {
    for (const path of ['/health', '/health/ready']) {
      const { status, body } = await ask<Health>('GET', path);
      expect([status, body.status, body.cause], path).to.deep.equal([200, 'degraded', 'redis_full']);
    }
    const metrics = await call<string>('GET', `${app.url}/metrics`, undefined, bearer(root));
    expect(metrics.body).to.contain('axiom_redis_writes_refused{cause="redis_full"} 1');
    expect(metrics.body).to.contain('axiom_redis_writes_refused{cause="redis_read_only"} 0');
  });

  it('refuses what must be stored, says why, and that it may be tried again', async () => {
    const refusals = [
      await publish('market:A', 3),
      await ask('POST', '/api/messages', '[{"topic":"market:A","data":3}]'),
      await ask('POST', '/api/tickets'),
    ];
    for (const { status, body, headers } of refusals) {
      expect([status, body.code, headers.get('retry-after')]).to.deep.equal([503, 'storage_full', '1']);
      expect(body.detail).to.match(/Redis is full/);
    }
    const client = await connectSocketIo({ url: app.url, token: root });
    clients.push(client);
    const ack = await client.request('publish', { topic: 'market:A', data: 3 });
    expect(ack).to.have.nested.property('error.code', 'storage_full');
  });

  for (const name of CLIENTS) {
    it(`connects, subscribes and recovers readers over ${name}`, async () => {
      const options = { url: app.url, token: root };
      const first = await subscribeOver(name, options, { topics: ['market:*'] });
      clients.push(first);
      await until('the snapshot is here', () => first.seen.messages.length === 2);
      const { cursor } = first.seen;
      const back = await subscribeOver(name, options, { topics: ['market:*'], since: cursor });
      clients.push(back);
      expect(back.verdicts).to.deep.equal([{ topic: 'market:*', recovered: true }]);
    });
  }

  it('lets a token be revoked, and a key be deleted', async () => {
    expect((await ask('POST', '/api/revocations', '{"jti":"gone"}')).status).to.equal(201);
    expect((await ask('DELETE', '/api/topics/news:a')).status).to.equal(200);
    expect((await ask('DELETE', '/api/topics/news:*')).status).to.equal(200);
    await until('it has seen it', () => app.hub.stream('news').tail.lastValues.size === 0);
  });

  it('is joined by another node, also one that is the first to read a stream', async () => {
    await link.command(['DEL', '{portfolio}:meta']);
    const two = await startNode('two');
    const reader = await subscribeOver('websocket', { url: two.url, token: root }, { topics: ['market:*'] });
    clients.push(reader);
    await until('the snapshot is here', () => reader.seen.messages.length === 2);
    await until('they know one another', async () => {
      const { body } = await ask<{ nodes: object[] }>('GET', '/api/nodes');
      return body.nodes.length === 2;
    });
  });

  it('gives a session of Socket.IO back to its client', async () => {
    await limitTo('0');
    const client = await connectSocketIo({ url: app.url, token: root });
    clients.push(client);
    await client.request('subscribe', { topics: ['market:*'] });
    await until('the snapshot is here', () => client.seen.messages.length === 2);
    await until(
      'it is kept',
      async () => ((await link.command(['KEYS', '*:session'])) as string[]).length > 0,
    );
    await limitTo('1mb');
    client.cut();
    await until('it is back', () => client.seen.nodes.length === 2);
    expect(client.recovered).to.deep.equal([false, true]);
  });
});

describe('A node whose Redis refuses writes for want of replicas', () => {
  let redis: OwnRedis;
  const nodes: RunningNode[] = [];
  const clients: TestClient[] = [];

  after(async () => {
    for (const client of clients) client.close();
    for (const node of nodes) await node.stop();
    await redis?.stop();
  });

  it('is degraded and ready, serves readers, also on a node that starts, and of old messages, and recovers', async () => {
    redis = await OwnRedis.start();
    const link = await redis.connect();
    const file = streamsFile({ news: { class: 'log', maxAgeMs: 1_000 }, market: { class: 'state' } });
    const start = async (NODE_ID: string) => {
      const node = await startTestApp({
        NODE_ID,
        REDIS_URL: redis.url,
        STREAMS_FILE: file,
        TOP_CHECK_MS: '100',
      });
      nodes.push(node);
      return node;
    };
    const one = await start('one');
    await publishTo(one.url, 'market:A', 1);
    await publishTo(one.url, 'news:a', 1);
    await link.command(['CONFIG', 'SET', 'min-replicas-to-write', '1']);
    expect((await publishTo(one.url, 'market:A', 2)).body.code).to.equal('log_unavailable');
    const { status, body } = await get<Health>(`${one.url}/health/ready`);
    expect([status, body.status, body.cause]).to.deep.equal([200, 'degraded', 'redis_read_only']);
    const old = await one.hub.log.check('news', 0);
    await until(
      'its message is old',
      async () => (await one.hub.log.check('news', 0)).oldest > old.oldest + 2_000,
    );

    const two = await start('two');
    const reader = await subscribeOver('websocket', { url: two.url }, { topics: ['market:*', 'news:*'] });
    clients.push(reader);
    await until('the snapshot is here', () => reader.seen.messages.length === 1);

    await link.command(['CONFIG', 'SET', 'min-replicas-to-write', '0']);
    await until(
      'it has recovered',
      async () => (await get<Health>(`${one.url}/health`)).body.status === 'ok',
    );
    await publishTo(one.url, 'market:A', 3);
    await until('it goes on', () => reader.seen.data('market:A').includes(3));
  });
});
