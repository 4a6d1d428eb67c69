/** The hub on Redis deployments that fail over: what was lost is announced, and nothing else is missing. */
import { expect } from 'chai';
import type { LocalCluster } from '../../server/cluster/local/local-cluster.js';
import { TRANSPORTS } from '../support/client.js';
import { startTestCluster, subscribeOnNode } from '../support/cluster.js';
import { get } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { RepeatingPublisher, Witness } from './accounting.js';
import { RedisHa } from './redis-ha.js';

const STREAMS = ['news', 'signals', 'market'];
const PER_SECOND = 100;
/** A failover takes the two seconds after which a server is missed, a vote, and what the nodes take to find out. */
const SERVES_WITHIN_MS = 15_000;

const DEPLOYMENTS = {
  'Sentinels with two replicas': () => RedisHa.sentinel(),
  'a Redis Cluster of three masters': () => RedisHa.cluster(),
};

for (const [what, start] of Object.entries(DEPLOYMENTS)) {
  describe(`A cluster on ${what}`, function () {
    this.timeout(60_000);
    let redis: RedisHa;
    let cluster: LocalCluster;
    let witnesses: Witness[] = [];
    let publishers: RepeatingPublisher[] = [];

    beforeEach(async () => {
      redis = await start();
      cluster = await startTestCluster({ redisUrl: redis.url });
      const topics = STREAMS.map((stream) => `${stream}:*`);
      witnesses = await Promise.all(
        TRANSPORTS.map(async (transport, i) => {
          return new Witness(await subscribeOnNode(cluster, cluster.nodes[i]!.name, transport, { topics }));
        }),
      );
      publishers = STREAMS.map(
        (stream) =>
          new RepeatingPublisher(
            cluster.nodes.map(({ url }) => url),
            `${stream}:a`,
            PER_SECOND,
          ),
      );
    });

    afterEach(async () => {
      await Promise.all(publishers.map((publisher) => publisher.stop()));
      for (const { client } of witnesses) client.close();
      await cluster?.stop();
      await redis?.stop();
    });

    async function epochs(): Promise<Map<string, string>> {
      const found = new Map<string, string>();
      for (const stream of STREAMS) {
        const { body } = await get<{ epoch: string }>(`${cluster.nodes[0]!.url}/api/streams/${stream}`);
        found.set(stream, body.epoch);
      }
      return found;
    }

    async function flow(): Promise<void> {
      for (const witness of witnesses) {
        for (const stream of STREAMS) {
          const before = witness.count(stream);
          await until(
            `${witness.client.transport} gets ${stream}`,
            () => witness.count(stream) >= before + 30,
            {
              withinMs: SERVES_WITHIN_MS,
            },
          );
        }
      }
    }

    /** Every message of every publisher at every client. @returns how many were lost, by stream */
    async function account(before: ReadonlyMap<string, string>): Promise<Record<string, number>> {
      await Promise.all(publishers.map((publisher) => publisher.stop()));
      const lost: Record<string, number> = {};
      for (const publisher of publishers) {
        const { stream, acknowledged } = publisher;
        const { seq, epoch } = acknowledged.at(-1)!;
        expect((await epochs()).get(stream)).to.equal(epoch);
        for (const witness of witnesses) {
          const { seen, transport } = witness.client;
          await until(`${transport} has the last of ${stream}`, () =>
            seen.messages.some(
              (message) =>
                message.topic.startsWith(stream) &&
                message.seq === seq &&
                message.data === acknowledged.length - 1,
            ),
          );
          lost[stream] = Math.max(lost[stream] ?? 0, witness.account(publisher, before.get(stream)!));
        }
      }
      return lost;
    }

    it('publishes, delivers and recovers over every transport', async () => {
      const before = await epochs();
      for (const publisher of publishers) publisher.start();
      await flow();
      const cursors = witnesses.map(({ client }) => client.seen.cursor);
      await flow();
      expect(await account(before)).to.deep.equal({ news: 0, signals: 0, market: 0 });
      for (const [i, transport] of TRANSPORTS.entries()) {
        const returned = await subscribeOver(
          transport,
          { url: cluster.url },
          { topics: ['news:*'], since: cursors[i]! },
        );
        try {
          expect(returned.verdicts).to.deep.equal([{ topic: 'news:*', recovered: true }]);
          const { data } = witnesses[i]!.client.seen.messages.findLast(({ topic }) => topic === 'news:a')!;
          await until('it has caught up', () => returned.seen.data('news:a').at(-1) === data);
        } finally {
          returned.close();
        }
      }
      const { body } = await get<{ nodes: object[] }>(`${cluster.nodes[0]!.url}/api/nodes`);
      expect(body.nodes).to.have.length(3);
    });

    it('goes on after a master was killed under load, and announces every loss', async () => {
      const before = await epochs();
      for (const publisher of publishers) publisher.start();
      await flow();
      const cursors = witnesses.map(({ client }) => client.seen.cursor);
      const killed = await redis.masterOf('{signals}:log');
      const killedAt = performance.now();
      await redis.at(killed).stop('SIGKILL');
      await until(
        'another is master',
        async () => (await redis.masterOf('{signals}:log').catch(() => killed)) !== killed,
        {
          withinMs: SERVES_WITHIN_MS,
        },
      );
      const promotedMs = Math.round(performance.now() - killedAt);
      const { acknowledged } = publishers.find(({ stream }) => stream === 'signals')!;
      const count = acknowledged.length;
      await until('messages are taken again', () => acknowledged.length > count + 1, {
        withinMs: SERVES_WITHIN_MS,
      });
      const servedMs = Math.round(performance.now() - killedAt);
      await flow();
      const deliveredMs = Math.round(performance.now() - killedAt);
      // The one that was killed comes back empty, as a replica.
      await redis.at(killed).start();
      await flow();
      for (const { url } of cluster.nodes) {
        await until('every node is ready', async () => (await get(`${url}/health/ready`)).status === 200);
      }
      const lost = await account(before);
      const pauses = Object.fromEntries(
        publishers.map(({ stream, longestPauseMs }) => [stream, Math.round(longestPauseMs)]),
      );
      console.log(
        `      a replica was promoted after ${promotedMs} ms, publishes were taken after ${servedMs} ms, every stream flowed after ${deliveredMs} ms`,
      );
      console.log(
        `      longest pause by stream, ms: ${JSON.stringify(pauses)}; acknowledged and lost: ${JSON.stringify(lost)}`,
      );

      for (const [i, transport] of TRANSPORTS.entries()) {
        const topics = ['signals:*', 'news:*'];
        const returned = await subscribeOver(transport, { url: cluster.url }, { topics, since: cursors[i]! });
        try {
          const after = await epochs();
          for (const { topic, recovered, reason } of returned.verdicts) {
            const stream = topic.split(':', 1)[0]!;
            if (after.get(stream) === before.get(stream)) expect(recovered, topic).to.equal(true);
            else expect(reason, topic).to.equal('epoch_changed');
          }
        } finally {
          returned.close();
        }
      }
    });
  });
}
