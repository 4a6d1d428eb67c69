import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import type { TestClient } from '../support/client.js';
import { startTestCluster } from '../support/cluster.js';
import { get, publish } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { patient, until } from '../support/wait.js';

describe('A cluster whose Redis goes away', () => {
  let cluster: LocalCluster;
  let clients: TestClient[];
  let processIds: (number | undefined)[];

  beforeEach(async () => {
    cluster = await startTestCluster();
    clients = await Promise.all(
      TRANSPORTS.map((transport) =>
        subscribeOver(transport, { url: cluster.url }, { topics: ['news:*', 'market:*'] }),
      ),
    );
    processIds = cluster.nodes.map(({ process }) => process.pid);
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await cluster?.stop();
  });

  it('refuses publishes with 503 within a second, stays up, and announces the loss of a log that comes back empty', async () => {
    await publishBefore();
    await cluster.redis!.stop('SIGKILL');
    await expectRefusals();

    await cluster.redis!.start();
    await expectServiceAgain();
    for (const { seen, transport } of clients) {
      await until(`${transport} was told`, () => seen.gaps.length >= 2 && seen.messages.length >= 4);
      expect(
        seen.gaps.map(({ stream, reason, recovered }) => ({ stream, reason, recovered })),
      ).to.have.deep.members([
        { stream: 'news', reason: 'epoch_changed', recovered: false },
        { stream: 'market', reason: 'epoch_changed', recovered: false },
      ]);
      expect(seen.data('news:a')).to.deep.equal(['before', 'after']);
      expect(seen.data('market:A')).to.deep.equal(['before', 'after']);
    }
  });

  it('refuses publishes with 503 within a second while Redis is stopped, and loses nothing when it goes on', async () => {
    await publishBefore();
    cluster.redis!.signal('SIGSTOP');
    await expectRefusals();

    cluster.redis!.signal('SIGCONT');
    await expectServiceAgain();
    for (const { seen, transport } of clients) {
      await until(`${transport} has what came after`, () => seen.data('news:a').includes('after'));
      // What was refused while Redis stood still may have been committed by it later: the answer said so.
      const seqs = seen.messages.filter(({ topic }) => topic.startsWith('news:')).map(({ seq }) => seq);
      expect(seqs, transport).to.deep.equal(seqs.map((_, i) => i + 1));
      expect(seen.gaps, transport).to.deep.equal([]);
    }
  });

  async function publishBefore(): Promise<void> {
    for (const topic of ['news:a', 'market:A'])
      expect((await publish(cluster.url, topic, 'before')).status).to.equal(201);
    for (const { seen } of clients)
      await until('the first messages arrive', () => seen.messages.length === 2);
  }

  async function expectRefusals(): Promise<void> {
    for (const { url } of cluster.nodes) {
      const started = performance.now();
      const { status, body, headers } = await publish(url, 'news:a', 'meanwhile');
      expect(performance.now() - started, 'time to the refusal').to.be.below(patient(1_000));
      expect({ status, code: body.code }).to.deep.equal({ status: 503, code: 'log_unavailable' });
      expect(headers.get('retry-after')).to.equal('1');
      await until(
        'the node says that it is not ready',
        async () => (await get(`${url}/health/ready`)).status === 503,
      );
      expect((await get(`${url}/health/live`)).status).to.equal(200);
    }
    for (const { seen } of clients) {
      await until('clients are told', () => seen.degraded.length === 1, { instead: () => seen.degraded });
    }
  }

  async function expectServiceAgain(): Promise<void> {
    for (const { url } of cluster.nodes) {
      await until('the node is ready again', async () => (await get(`${url}/health/ready`)).status === 200);
    }
    expect(cluster.nodes.map(({ process }) => process.pid)).to.deep.equal(processIds);
    for (const topic of ['news:a', 'market:A']) {
      await until(
        `${topic} can be published to`,
        async () => (await publish(cluster.nodes[0]!.url, topic, 'after')).status === 201,
      );
    }
    for (const { seen } of clients)
      await until('clients are told of the end', () => seen.degraded.length === 2);
  }
});
