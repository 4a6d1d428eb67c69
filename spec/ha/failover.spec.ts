/** The hub on Redis deployments that fail over: what was lost is announced, and nothing else is missing. */

import { TRANSPORTS, type TransportName } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import type { TestClient } from '../support/client.js';
import { startTestCluster, subscribeOnNode } from '../support/cluster.js';
import { get } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { RedisHa } from './redis-ha.js';
import { RepeatingPublisher, Witness } from './repeating-publisher.js';

const STREAMS = ['news', 'signals', 'market'];
const PER_SECOND = 100;
/** A failover takes the two seconds after which a server is missed, a vote, and what the nodes take to find out. */
const SERVES_WITHIN_MS = 15_000;

const DEPLOYMENTS = {
  'Sentinels with two replicas': () => RedisHa.sentinel(),
  'a Redis Cluster of three masters': () => RedisHa.cluster(),
};

for (const [what, start] of Object.entries(DEPLOYMENTS)) {
  describe(`A cluster on ${what}`, () => {
    let redis: RedisHa;
    let cluster: LocalCluster;
    let witnesses: Witness[] = [];
    let publishers: RepeatingPublisher[] = [];

    before(async () => {
      redis = await start();
      // Losses must be found by what happens, and not by the regular look at the log.
      cluster = await startTestCluster({ redisUrl: redis.url, env: { TOP_CHECK_MS: '60000' } });
    });

    after(async () => {
      await cluster?.stop();
      await redis?.stop();
    });

    beforeEach(async () => {
      await redis.whole();
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
    });

    async function epochs(): Promise<Map<string, string>> {
      const found = new Map<string, string>();
      for (const stream of STREAMS) {
        const { body } = await get<{ epoch: string }>(`${cluster.nodes[0]!.url}/api/streams/${stream}`);
        found.set(stream, body.epoch);
      }
      return found;
    }

    /** Until every client has got more of every stream. */
    async function flow(): Promise<void> {
      const counts = () => witnesses.flatMap((witness) => STREAMS.map((stream) => witness.count(stream)));
      const before = counts();
      const flows = () => counts().every((count, i) => count >= before[i]! + 30);
      await until('every stream flows', flows, { withinMs: SERVES_WITHIN_MS, instead: () => counts() });
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
      await until('the nodes know one another', async () => {
        const { body } = await get<{ nodes: object[] }>(`${cluster.nodes[0]!.url}/api/nodes`);
        return body.nodes.length === 3;
      });
      // Those that came back have been closed here; a node hears of it a moment later.
      let connections: readonly object[] = [];
      await until(
        'the nodes tell of the three connections that are left, by questions to one another',
        async () => {
          const answer = await get<{ connections: object[] }>(`${cluster.nodes[0]!.url}/api/connections`);
          connections = answer.body.connections;
          return connections.length === 3;
        },
        { instead: () => connections },
      );
    });

    it('continues after a master was killed under load, and announces every loss', async () => {
      const before = await epochs();
      const { cursors, lost } = await killMaster(async () => undefined);
      for (const [i, transport] of TRANSPORTS.entries()) {
        const returned = await comeBack(transport, cursors[i]!);
        const after = await epochs();
        for (const { topic, recovered, reason } of returned.verdicts) {
          const stream = topic.split(':', 1)[0]!;
          if (after.get(stream) === before.get(stream)) expect(recovered, topic).to.equal(true);
          else expect(reason, topic).to.equal('epoch_changed');
        }
      }
      expect(lost).to.have.all.keys(STREAMS);
    });

    it('announces the loss of messages that a master acknowledged but did not replicate', async () => {
      const epoch = (await epochs()).get('signals');
      const { cursors, lost } = await killMaster(async (master) => {
        const release = await redis.holdReplicas(master);
        await flow();
        return release;
      });
      expect((await epochs()).get('signals'), 'the epoch is another').not.to.equal(epoch);
      expect(lost).to.have.all.keys(STREAMS);
      for (const [i, transport] of TRANSPORTS.entries()) {
        const [verdict] = (await comeBack(transport, cursors[i]!)).verdicts;
        expect(verdict).to.deep.equal({ topic: 'signals:*', recovered: false, reason: 'epoch_changed' });
      }
    });

    it('continues while a master is frozen, and after it wakes up demoted', async () => {
      const { lost } = await killMaster(async () => undefined, 'SIGSTOP');
      expect(lost).to.have.all.keys(STREAMS);
    });

    if (what.includes('Cluster')) {
      it('loses nothing when a master hands its slots over to its replica', async () => {
        const before = await epochs();
        for (const publisher of publishers) publisher.start();
        await flow();
        for (let times = 1; times <= 2; times++) {
          const master = await redis.masterOf('{signals}:log');
          let askedAt = 0;
          await until(
            'another is master',
            async () => {
              // The other masters do not vote twice in a short while, and the replica gives up after five seconds.
              if (performance.now() - askedAt > 6_000) {
                await redis.handOver(master);
                askedAt = performance.now();
              }
              return (await redis.masterOf('{signals}:log').catch(() => master)) !== master;
            },
            { withinMs: 20_000 },
          );
          await flow();
        }
        expect(await account(before)).to.deep.equal({ news: 0, signals: 0, market: 0 });
        expect(await epochs()).to.deep.equal(before);
      });
    }

    /**
     * Kills the master of `signals` under load, and accounts for everything when its replica has taken over.
     *
     * @param prepare what happens before; it returns what happens when another is master
     */
    async function killMaster(
      prepare: (master: number) => Promise<(() => Promise<void>) | undefined>,
      signal: 'SIGKILL' | 'SIGSTOP' = 'SIGKILL',
    ): Promise<{ cursors: string[]; lost: Record<string, number> }> {
      const before = await epochs();
      for (const publisher of publishers) publisher.start();
      await flow();
      const cursors = witnesses.map(({ client }) => client.seen.cursor);
      const killed = await redis.masterOf('{signals}:log');
      const release = await prepare(killed);
      const killedAt = performance.now();
      const since = () => Math.round(performance.now() - killedAt);
      const server = redis.at(killed);
      if (signal === 'SIGKILL') await server.stop(signal);
      else server.signal(signal);
      const { acknowledged } = publishers.find(({ stream }) => stream === 'signals')!;
      const count = acknowledged.length;
      await until(
        'another is master',
        () =>
          redis.masterOf('{signals}:log', killed).then(
            () => true,
            () => false,
          ),
        { withinMs: SERVES_WITHIN_MS },
      );
      const promotedMs = since();
      await release?.();
      // One may have been under way when the master was killed.
      await until('messages are taken again', () => acknowledged.length > count + 1, {
        withinMs: SERVES_WITHIN_MS,
      });
      const servedMs = since();
      await flow();
      const deliveredMs = since();
      // The one that was killed comes back empty, as a replica; the other has yet to hear that it is one.
      if (signal === 'SIGKILL') await server.start();
      else server.signal('SIGCONT');
      await flow();
      for (const { url } of cluster.nodes) {
        await until('every node is ready', async () => (await get(`${url}/health/ready`)).status === 200);
      }
      const lost = await account(before);
      const pauses = Object.fromEntries(
        publishers.map(({ stream, longestPauseMs }) => [stream, Math.round(longestPauseMs)]),
      );
      console.log(
        `      promoted after ${promotedMs} ms, publishes taken after ${servedMs} ms, all streams flow after ${deliveredMs} ms`,
      );
      console.log(
        `      longest pause, ms: ${JSON.stringify(pauses)}; acknowledged, then lost: ${JSON.stringify(lost)}`,
      );
      return { cursors, lost };
    }

    async function comeBack(transport: TransportName, since: string): Promise<TestClient> {
      const topics = ['signals:*', 'news:*'];
      const returned = await subscribeOver(transport, { url: cluster.url }, { topics, since });
      returned.close();
      return returned;
    }
  });
}
