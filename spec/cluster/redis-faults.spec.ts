import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import { STREAM_DEFAULTS } from '../../server/hub/streams.js';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { redisServer } from '../../server/local-cluster/redis-server.js';
import { RedisStreamLog } from '../../server/log/redis-stream-log.js';
import { silentLogger } from '../../server/logger.js';
import { RedisLink } from '../../server/redis/redis-link.js';
import { streamChannel } from '../../server/transports/socketio/hub-adapter.js';
import type { TestClient } from '../support/client.js';
import { startTestCluster, subscribeOnNode } from '../support/cluster.js';
import { get, publish } from '../support/http.js';
import { Publishing } from '../support/publishing.js';
import { subscribeOver } from '../support/subscribe.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { patient, until } from '../support/wait.js';

const PER_SECOND = 200;
const STALL_MS = 10_000;

describe('A cluster whose Redis', () => {
  let cluster: LocalCluster;
  let clients: TestClient[] = [];
  let ends: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const client of clients) client.close();
    clients = [];
    await cluster?.stop();
    for (const end of ends.reverse()) await end();
    ends = [];
  });

  /** A client of each transport, each on another node. */
  async function onEachNode(topics: readonly string[]): Promise<void> {
    clients = await Promise.all(
      TRANSPORTS.map((transport, i) =>
        subscribeOnNode(cluster, cluster.nodes[i]!.name, transport, { topics }),
      ),
    );
  }

  async function link(url = cluster.redisUrl): Promise<RedisLink> {
    const made = new RedisLink({ url, logger: silentLogger });
    await made.connect();
    ends.push(() => made.close());
    return made;
  }

  /** Publishes when every node takes publishes again. */
  async function publishOnceReady(topic: string, data: unknown): Promise<void> {
    for (const { url, name } of cluster.nodes) {
      await until(`${name} is ready`, async () => (await get(`${url}/health/ready`)).status === 200);
    }
    expect((await publish(cluster.nodes[0]!.url, topic, data)).status).to.equal(201);
  }

  async function epochOf(stream: string, node = 0): Promise<unknown> {
    return (await get(`${cluster.nodes[node]!.url}/api/streams/${stream}`)).body.epoch;
  }

  it('restarts with its data continues in the same epoch, and nobody misses anything', async () => {
    cluster = await startTestCluster({
      redisArgs: ['--save', '', '--appendonly', 'yes', '--appendfsync', 'no'],
    });
    await onEachNode(['news:*', 'market:*']);
    for (const data of ['one', 'two']) await publish(cluster.url, 'news:a', data);
    await publish(cluster.url, 'market:A', 1);
    for (const { seen } of clients) await until('they have arrived', () => seen.messages.length === 3);
    const epoch = await epochOf('news');

    await cluster.redis!.stop('SIGKILL');
    await cluster.redis!.start();
    await publishOnceReady('news:a', 'three');

    for (const { seen, transport } of clients) {
      await until(`${transport} has the next`, () => seen.data('news:a').length >= 3);
      expect(seen.data('news:a'), transport).to.deep.equal(['one', 'two', 'three']);
      expect(seen.gaps, transport).to.deep.equal([]);
    }
    for (const i of [0, 1, 2]) expect(await epochOf('news', i)).to.equal(epoch);
  });

  it('restarts empty tells returning clients, with a snapshot only for "state"', async () => {
    cluster = await startTestCluster();
    await onEachNode(['news:*', 'market:*']);
    for (const topic of ['news:a', 'market:A']) await publish(cluster.url, topic, 'before');
    for (const { seen } of clients) await until('they have arrived', () => seen.messages.length === 2);
    const cursors = new Map(clients.map(({ transport, seen }) => [transport, seen.cursor]));
    for (const client of clients) client.close();

    await cluster.redis!.stop('SIGKILL');
    await cluster.redis!.start();
    await publishOnceReady('market:A', 'after');
    await publishOnceReady('news:a', 'after');

    clients = await Promise.all(
      TRANSPORTS.map((transport) =>
        subscribeOver(
          transport,
          { url: cluster.url },
          { topics: ['news:*', 'market:*'], since: cursors.get(transport)! },
        ),
      ),
    );
    for (const { verdicts, seen, transport } of clients) {
      expect(verdicts, transport).to.deep.equal([
        { topic: 'news:*', recovered: false, reason: 'epoch_changed' },
        { topic: 'market:*', recovered: false, reason: 'epoch_changed' },
      ]);
      await until(`${transport} has the snapshot`, () => seen.messages.length > 0);
      expect(seen.messages.map(({ topic, data }) => ({ topic, data }))).to.deep.equal([
        { topic: 'market:A', data: 'after' },
      ]);
    }
  });

  it('stands still for ten seconds is not ready and not dead, tells its clients, and loses nothing', async () => {
    cluster = await startTestCluster();
    await onEachNode(['news:*']);
    for (let n = 0; n < 20; n++) await publish(cluster.nodes[n % 3]!.url, 'news:a', n);

    cluster.redis!.signal('SIGSTOP');
    const stalledAt = performance.now();
    for (const { url } of cluster.nodes) {
      await until('it is not ready', async () => (await get(`${url}/health/ready`)).status === 503);
      expect((await get(`${url}/health/live`)).status).to.equal(200);
      const { status, headers } = await publish(url, 'news:a', 'meanwhile');
      expect({ status, retryAfter: headers.get('retry-after') }).to.deep.equal({
        status: 503,
        retryAfter: '1',
      });
    }
    for (const { seen, transport } of clients)
      await until(`${transport} is told`, () => seen.degraded.length === 1);
    await until('the time is over', () => performance.now() - stalledAt > STALL_MS, { withinMs: STALL_MS });
    cluster.redis!.signal('SIGCONT');
    await publishOnceReady('news:a', 'after');

    for (const { seen, transport } of clients) {
      await until(`${transport} has the next`, () => seen.data().includes('after'));
      await until(`${transport} is told of the end`, () => seen.degraded.length === 2);
      expect(seen.gaps, transport).to.deep.equal([]);
      // What was refused meanwhile may have been committed: the answer left it open.
      expect(seen.seqs(), transport).to.deep.equal(seen.seqs().map((_, i) => i + 1));
    }
    const pids = cluster.nodes.map(({ process }) => process.pid);
    expect(pids).not.to.include(undefined);
  });

  it('ends its subscribed connections, again and again, loses nothing and repeats nothing', async () => {
    cluster = await startTestCluster();
    await onEachNode(['signals:*']);
    const publishing = cluster.nodes.map(({ url }, i) => new Publishing(url, `signals:p${i}`, PER_SECOND));
    for (const each of publishing) each.start();
    const redis = await link();
    for (let kills = 1; kills <= 5; kills++) {
      const before = clients.map(({ seen }) => seen.messages.length);
      await redis.command(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
      for (const [i, { seen }] of clients.entries())
        await until('messages flow again', () => seen.messages.length > before[i]! + 50);
    }
    const counts = await Promise.all(publishing.map((each) => each.stop()));
    const total = counts.reduce((sum, count) => sum + count, 0);
    for (const { seen, transport } of clients) {
      await until(`${transport} has everything`, () => seen.messages.length >= total);
      expect(seen.seqs(), transport).to.deep.equal(Array.from({ length: total }, (_, i) => i + 1));
      expect(seen.gaps, transport).to.deep.equal([]);
    }
  });

  it('is replaced by a replica with older data is fenced by a new epoch, though the same seqs come again', async () => {
    const base = await freePorts(2);
    const master = await ownRedis('master', base);
    const replication = await TcpProxy.start(base);
    ends.push(() => replication.close());
    const replica = await ownRedis('replica', base + 1, [
      '--replicaof',
      '127.0.0.1',
      String(replication.port),
    ]);
    const proxy = await TcpProxy.start(base);
    ends.push(() => proxy.close());
    cluster = await startTestCluster({ redisUrl: `redis://127.0.0.1:${proxy.port}` });
    await onEachNode(['news:*', 'market:*']);

    for (let n = 1; n <= 10; n++) await publish(cluster.url, 'news:a', `common ${n}`);
    await publish(cluster.url, 'market:A', 'common');
    const [toMaster, toReplica] = [
      await link(`redis://127.0.0.1:${base}`),
      await link(`redis://127.0.0.1:${base + 1}`),
    ];
    await until('the replica has them', async () => (await toMaster.command(['WAIT', '1', '100'])) === 1);
    replication.target = undefined;
    replication.cut();
    for (let n = 11; n <= 20; n++) await publish(cluster.url, 'news:a', `lost ${n}`);
    await publish(cluster.url, 'market:A', 'lost');
    for (const { seen } of clients) await until('all have arrived', () => seen.messages.length === 22);
    const before = await epochOf('news');
    const cursors = clients.map(({ seen }) => seen.cursor);

    // The promoted one takes other messages before any node can ask it: seqs 11 to 30 a second time.
    await toReplica.command(['REPLICAOF', 'NO', 'ONE']);
    await promotedLog(toReplica).append(
      'news',
      Array.from({ length: 20 }, (_, i) => ({ key: 'a', data: `"other ${11 + i}"` })),
    );
    await master.stop('SIGKILL');
    proxy.target = base + 1;
    proxy.cut();
    for (const { seen, transport } of clients) {
      await until(`${transport} is told`, () => seen.gaps.length >= 2, { instead: () => seen.gaps });
      expect(seen.gaps.map(({ stream, reason }) => `${stream} ${reason}`)).to.have.members([
        'news epoch_changed',
        'market epoch_changed',
      ]);
    }
    await publishOnceReady('news:a', 'after');

    const epoch = await epochOf('news');
    expect(epoch).not.to.equal(before);
    for (const i of [1, 2]) expect(await epochOf('news', i)).to.equal(epoch);
    for (const [i, { seen, transport }] of [...clients].entries()) {
      await until(`${transport} has the next`, () => seen.data('news:a').includes('after'));
      expect(seen.data('news:a').slice(0, 20), transport).to.deep.equal([
        ...Array.from({ length: 10 }, (_, n) => `common ${n + 1}`),
        ...Array.from({ length: 10 }, (_, n) => `lost ${n + 11}`),
      ]);
      expect(seen.data('news:a').slice(20), transport).to.deep.equal(['after']);
      expect(seen.data('market:A'), transport).to.deep.equal(['common', 'lost', 'common']);
      const returned = await subscribeOver(
        transport,
        { url: cluster.url },
        { topics: ['news:*'], since: cursors[i]! },
      );
      clients.push(returned);
      expect(returned.verdicts, transport).to.deep.equal([
        { topic: 'news:*', recovered: false, reason: 'epoch_changed' },
      ]);
    }
    expect(replica.running).to.equal(true);
  });

  it('does not announce the last message of a burst has it found by the nodes within five seconds', async () => {
    cluster = await startTestCluster({ env: { TOP_CHECK_MS: '3000' } });
    await onEachNode(['news:*']);
    for (let n = 1; n <= 20; n++) await publish(cluster.url, 'news:a', n);
    const silent = new RedisStreamLog({
      link: await link(),
      streams: new Map([['news', STREAM_DEFAULTS]]),
      channelOf: () => 'nobody listens here',
    });
    await silent.append('news', [{ key: 'a', data: '21' }]);
    const lostAt = performance.now();
    for (const { seen, transport } of clients) {
      await until(`${transport} has the last`, () => seen.messages.length === 21);
      expect(seen.data(), transport).to.deep.equal(Array.from({ length: 21 }, (_, i) => i + 1));
    }
    expect(performance.now() - lostAt).to.be.below(patient(5_000));
  });

  it('carries malformed bytes on the adapter’s channel counts them, and loses nothing else', async () => {
    cluster = await startTestCluster();
    await onEachNode(['signals:*']);
    const publishing = new Publishing(cluster.nodes[0]!.url, 'signals:a', PER_SECOND);
    publishing.start();
    const { pubClient } = (await link()).forAdapter((error) => expect.fail(String(error))) as {
      pubClient: { publish(channel: string, message: Buffer): void };
    };
    // What looks like the stream log's travels on a room's channel; the adapter itself reads what is for everybody.
    const rubbish: [channel: string, bytes: number[]][] = [
      ['socket.io#/#signals#', [0x96, 0xa3, 0x68, 0x75, 0x62, 0xc0, 0xff]],
      ['socket.io#/#', [0xc1]],
      ['socket.io#/#', [0x91, 0xdd, 0xff, 0xff, 0xff, 0xff]],
    ];
    for (let i = 0; i < 20; i++) {
      for (const [channel, bytes] of rubbish) pubClient.publish(channel, Buffer.from(bytes));
      await until('messages flow', () => clients.every(({ seen }) => seen.messages.length > 5 * i));
    }
    const total = await publishing.stop();
    for (const { seen, transport } of clients) {
      await until(`${transport} has everything`, () => seen.messages.length >= total);
      expect(seen.data(), transport).to.deep.equal(Array.from({ length: total }, (_, n) => n));
      expect(seen.gaps, transport).to.deep.equal([]);
    }
    for (const { url } of cluster.nodes) {
      const { body } = await get<string>(`${url}/metrics`);
      const count = /axiom_errors_total\{kind="malformed_payload"\} (\d+)/.exec(body)?.[1];
      expect(Number(count)).to.be.at.least(60);
    }
  });

  async function ownRedis(name: string, port: number, args: readonly string[] = []): Promise<ManagedProcess> {
    const process = redisServer({
      name,
      port,
      dir: '/tmp',
      args: ['--save', '', '--appendonly', 'no', '--repl-diskless-load', 'swapdb', ...args],
    });
    await process.start();
    ends.push(() => process.stop('SIGKILL'));
    return process;
  }

  function promotedLog(link: RedisLink): RedisStreamLog {
    return new RedisStreamLog({
      link,
      streams: new Map([['news', STREAM_DEFAULTS]]),
      channelOf: streamChannel,
    });
  }
});
