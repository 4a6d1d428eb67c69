/** A thousand topics in one event stream, on several nodes behind NGINX. */
import { expect } from 'chai';
import { EventSource } from 'eventsource';
import { RedisSubscriptionStore } from '../../server/cluster/redis-subscriptions.js';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { silentLogger } from '../../server/logger.js';
import { Subscriptions } from '../../server/transports/sse/subscriptions.js';
import { OwnRedis } from '../log/own-redis.js';
import { nextAddress } from '../support/client.js';
import { nodeNamed, startTestCluster } from '../support/cluster.js';
import { authorization } from '../support/credentials.js';
import { call, publish } from '../support/http.js';
import { until } from '../support/wait.js';

const TOPICS = Array.from({ length: 1000 }, (_, n) => `news:${String(n).padStart(128, 'k')}`);

describe('An EventSource of a thousand topics', () => {
  let cluster: LocalCluster;
  let source: EventSource | undefined;

  before(async () => {
    cluster = await startTestCluster();
  });

  after(async () => {
    source?.close();
    await cluster?.stop();
  });

  it('goes on where it was with the same short id when its node is killed, without a loss', async () => {
    const { status, body } = await call<{ id: string }>(
      'POST',
      `${cluster.url}/stream/subscriptions`,
      JSON.stringify({ topics: TOPICS }),
    );
    expect(status).to.equal(201);
    const [seen, nodes]: [unknown[], string[]] = [[], []];
    const headers = { 'X-Forwarded-For': nextAddress(), ...authorization() };
    source = new EventSource(`${cluster.url}/stream?subscription=${body.id}`, {
      fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
    });
    source.onmessage = ({ data }) => seen.push((JSON.parse(String(data)) as { data: unknown }).data);
    source.addEventListener('position', ({ data }) => {
      const { node, topics } = JSON.parse(String(data)) as { node?: string; topics?: unknown[] };
      if (node === undefined) return;
      expect(topics).to.have.length(TOPICS.length);
      nodes.push(node);
    });
    await until('it reads', () => nodes.length === 1);
    const killed = nodeNamed(cluster, nodes[0]!);
    const { url } = cluster.nodes.find(({ name }) => name !== killed.name)!;
    await publish(url, TOPICS[0]!, 1);
    await until('the message comes', () => seen.length === 1);
    await killed.process.stop('SIGKILL');
    await publish(url, TOPICS.at(-1)!, 2);
    await until('it is elsewhere and has everything', () => nodes.length === 2 && seen.length === 2, {
      instead: () => ({ nodes, seen, state: source?.readyState }),
    });
    expect(seen).to.deep.equal([1, 2]);
    await killed.process.start();
  });

  it('and a POST with as many in its body reach a node through NGINX, an address of 40,000 bytes does not', async () => {
    const abort = new AbortController();
    const response = await fetch(`${cluster.url}/stream`, {
      method: 'POST',
      headers: { Accept: 'text/event-stream', ...authorization() },
      body: JSON.stringify({ topics: TOPICS }),
      signal: abort.signal,
    });
    expect(response.status).to.equal(200);
    abort.abort();
    const { status, body } = await call(
      'GET',
      `${cluster.url}/stream?topics=${TOPICS.slice(0, 300).join(',')}`,
    );
    expect([status, body.code]).to.deep.equal([414, 'address_too_long']);
  });
});

describe('Subscriptions of event streams in Redis', () => {
  let redis: OwnRedis;

  before(async () => {
    redis = await OwnRedis.start();
  });

  after(() => redis?.stop());

  it('are kept within the bounds of their owner: those that were not used for longest go', async () => {
    const link = await redis.connect();
    const store = new RedisSubscriptionStore(link, { maxBytes: 1_000, minBytes: 100 });
    const subscriptions = new Subscriptions(store, silentLogger);
    const keys = async () => Number(await link.command(['DBSIZE']));
    const text = (n: number) => String(n).padEnd(250, 'x');
    const create = async (owner: string, text: string) => {
      const id = await subscriptions.create(owner, text);
      const clock = async () => ((await link.command(['TIME'])) as string[]).join('.').slice(0, -3);
      const then = await clock();
      await until('the clock of Redis shows another millisecond', async () => (await clock()) !== then);
      return id;
    };
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) ids.push(await create('subject a', text(n)));
    const other = await create('subject b', text(0));
    expect(await create('subject a', text(0)), 'used again').to.equal(ids[0]);
    await create('subject a', text(4));
    const kept = await Promise.all(
      [...ids, other].map((id) =>
        subscriptions.find(id).then(
          () => true,
          () => false,
        ),
      ),
    );
    expect(kept).to.deep.equal([true, false, true, true, true]);
    // Four and an index of the one, one and an index of the other: none of them for ever.
    expect(await keys()).to.equal(7);
    for (const key of (await link.command(['KEYS', '*'])) as string[])
      expect(Number(await link.command(['PTTL', key])), key).to.be.above(0);
    for (let n = 0; n < 50; n++) await subscriptions.create('subject a', `${n}`);
    expect(await keys(), 'small ones count as much as the least').to.equal(10 + 1 + 2);
    subscriptions.close();
  });

  it('that a stream reads are there again once a Redis has come back empty', async () => {
    const link = await redis.connect();
    const store = new RedisSubscriptionStore(link, { maxBytes: 1_000, minBytes: 100 });
    const subscriptions = new Subscriptions(store, silentLogger);
    const id = await subscriptions.create('subject a', '{"topics":["news:a"]}');
    subscriptions.hold(id, '{"topics":["news:a"]}');
    await redis.process.stop('SIGKILL');
    await redis.process.start();
    const elsewhere = new Subscriptions(
      new RedisSubscriptionStore(await redis.connect(), { maxBytes: 1_000, minBytes: 100 }),
      silentLogger,
    );
    const found = () =>
      elsewhere.find(id).then(
        () => true,
        () => false,
      );
    await until('another node finds it', found);
    subscriptions.close();
    elsewhere.close();
  });
});
