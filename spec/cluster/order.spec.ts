import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import type { TestClient } from '../support/client.js';
import { startTestCluster, subscribeOnNode } from '../support/cluster.js';
import { publishAll } from '../support/http.js';
import { until } from '../support/wait.js';

const PER_PUBLISHER = 5_000;
const BATCH = 50;

describe('Order across a cluster of three nodes', () => {
  let cluster: LocalCluster;
  const clients: TestClient[] = [];

  before(async () => {
    cluster = await startTestCluster();
  });

  after(async () => {
    for (const client of clients) client.close();
    await cluster?.stop();
  });

  it('is the same, and complete, for subscribers of every transport on every node while two nodes publish', async () => {
    for (const { name } of cluster.nodes) {
      for (const transport of TRANSPORTS) {
        clients.push(await subscribeOnNode(cluster, name, transport, { topics: ['signals:*'] }));
      }
    }
    const [one, two] = cluster.nodes;
    await Promise.all([publishMany(one!.url, 'one'), publishMany(two!.url, 'two')]);

    const expected = Array.from({ length: 2 * PER_PUBLISHER }, (_, i) => i + 1);
    for (const { transport, node, seen } of clients) {
      await until(
        `${transport} on ${node} has every message`,
        () => seen.messages.length >= expected.length,
        {
          withinMs: 30_000,
          instead: () => seen.messages.length,
        },
      );
      expect(seen.seqs(), `seqs over ${transport} on ${node}`).to.deep.equal(expected);
      expect(seen.data(), `data over ${transport} on ${node}`).to.deep.equal(clients[0]!.seen.data());
    }
    for (const publisher of ['one', 'two']) {
      const own = clients[0]!.seen.data(`signals:${publisher}`);
      expect(own, `what ${publisher} published, in its order`).to.deep.equal(
        Array.from({ length: PER_PUBLISHER }, (_, n) => ({ publisher, n })),
      );
    }
  });
});

async function publishMany(url: string, publisher: string): Promise<void> {
  for (let n = 0; n < PER_PUBLISHER; n += BATCH) {
    const items = Array.from({ length: BATCH }, (_, i) => ({
      topic: `signals:${publisher}`,
      data: { publisher, n: n + i },
    }));
    const { body } = await publishAll(url, items);
    expect(body.results.every(({ ok }) => ok)).to.equal(true);
  }
}
