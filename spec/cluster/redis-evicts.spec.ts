/** What Redis evicts, or somebody deletes by hand, is put back out of the memory of a node, or announced. */
import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import type { RedisLink } from '../../server/redis/redis-link.js';
import { startTestApp } from '../http/test-app.js';
import { callsOf, OwnRedis } from '../log/own-redis.js';
import type { TestClient } from '../support/client.js';
import { get, publish } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';

describe('A Redis that loses keys', () => {
  let redis: OwnRedis;
  let link: RedisLink;
  let nodes: RunningNode[] = [];
  let clients: TestClient[] = [];

  const startNode = async (name: string) => {
    const node = await startTestApp({ NODE_ID: name, REDIS_URL: redis.url, TOP_CHECK_MS: '100' });
    nodes.push(node);
    return node;
  };
  const command = (...args: string[]) => link.command(args);
  const stop = async () => {
    for (const node of nodes) await node.stop();
    nodes = [];
  };
  const epochOf = async (stream: string) => String(await command('HGET', `{${stream}}:meta`, 'epoch'));

  beforeEach(async () => {
    redis = await OwnRedis.start();
    link = await redis.connect();
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    clients = [];
    await stop();
    await redis.stop();
  });

  async function withValues(count: number): Promise<RunningNode> {
    const app = await startNode('one');
    for (let n = 0; n < count; n++) await publish(app.url, `market:K${n}`, n);
    await until('the node has them', () => app.hub.stream('market').tail.lastValues.size === count);
    return app;
  }

  it('gets its last values back from a node, and a new node has all of them', async () => {
    await withValues(40);
    const epoch = await epochOf('market');
    for (const lose of [
      ['DEL', '{market}:last'],
      ['HDEL', '{market}:last', 'K1', 'K2', 'K3'],
    ]) {
      await command(...lose);
      await until('they are back', async () => (await command('HLEN', '{market}:last')) === 40);
    }
    const two = await startNode('two');
    const { body } = await get<{ keys: number; epoch: string }>(`${two.url}/api/streams/market`);
    expect(body).to.include({ keys: 40, epoch });
  });

  it('gets none back that was deleted, or has a newer value', async () => {
    const app = await withValues(5);
    await command('DEL', '{market}:last');
    await publish(app.url, 'market:K0', 'newer');
    await until('they are back', async () => (await command('HLEN', '{market}:last')) === 5);
    expect(String(await command('HGET', '{market}:last', 'K0'))).to.match(/^6 \d+ "newer"$/);
  });

  it('begins a new epoch where no node remembers the last values, with those that its messages tell', async () => {
    const one = await withValues(3);
    await one.hub.log.append('market', [{ key: 'K0', data: TOMBSTONE }]);
    const epoch = await epochOf('market');
    await stop();
    await command('DEL', '{market}:last');
    await command('XDEL', '{market}:log', '2-0');
    const app = await startNode('again');
    const { tail } = app.hub.stream('market');
    expect(tail.epoch).not.to.equal(epoch);
    expect(app.hub.counters.epochRotations).to.equal(1);
    expect([...tail.lastValues.keys()]).to.deep.equal(['K2']);
    expect(await command('HKEYS', '{market}:last')).to.deep.equal(['K2']);
    await publish(app.url, 'market:K9', 9);
    await until('it goes on', () => tail.lastValues.has('K9'));
    expect(await epochOf('market')).to.equal(tail.epoch);
  });

  for (const transport of TRANSPORTS) {
    for (const then of ['and is quiet', 'and goes on']) {
      it(`loses the messages of a stream ${then}, tells readers over ${transport}`, async () => {
        const app = await startNode('one');
        for (const n of [1, 2, 3]) await publish(app.url, 'news:a', n);
        const client = await subscribeOver(transport, { url: app.url }, { topics: ['news:*'], rewind: 3 });
        clients.push(client);
        await until('they are here', () => client.seen.messages.length === 3);
        await command('DEL', '{news}:log');
        if (then === 'and goes on') await publish(app.url, 'news:a', 4);
        await until('it is told', () => client.seen.gaps.length > 0);
        expect(client.seen.gaps.map(({ reason }) => reason)).to.deep.equal(['epoch_changed']);
        await publish(app.url, 'news:a', 5);
        await until('it goes on', () => client.seen.data('news:a').includes(5));
        expect(client.seen.gaps).to.have.length(1);
        expect(app.hub.counters.epochRotations).to.equal(1);
      });
    }
  }

  for (const then of ['and is quiet', 'and goes on']) {
    it(`loses the epoch and the seq of a stream ${then}, tells its readers`, async () => {
      const app = await startNode('one');
      await publish(app.url, 'news:a', 1);
      const client = await subscribeOver('websocket', { url: app.url }, { topics: ['news:*'] });
      clients.push(client);
      await command('DEL', '{news}:meta');
      if (then === 'and goes on') await publish(app.url, 'news:a', 2);
      await until('it is told', () => client.seen.gaps.length > 0);
      expect(client.seen.gaps.map(({ reason }) => reason)).to.deep.equal(['epoch_changed']);
      await publish(app.url, 'news:a', 3);
      await until('it goes on', () => client.seen.data('news:a').includes(3));
    });
  }

  it('is not suspected where keys were deleted, and a stream was emptied', async () => {
    const app = await withValues(3);
    const { log } = app.hub;
    const severalChecks = async () => {
      const before = await callsOf(link, 'evalsha');
      await until('it has been looked at', async () => (await callsOf(link, 'evalsha')) > before + 50);
    };
    for (const key of ['K0', 'K1', 'K2']) await log.append('market', [{ key, data: TOMBSTONE }]);
    const epoch = await epochOf('market');
    await severalChecks();
    expect(await epochOf('market')).to.equal(epoch);
    expect(await command('EXISTS', '{market}:last')).to.equal(0);

    const cleared = await log.clear('market');
    await severalChecks();
    await publish(app.url, 'market:K1', 1);
    expect(await epochOf('market')).to.equal(cleared.epoch);
  });
});
