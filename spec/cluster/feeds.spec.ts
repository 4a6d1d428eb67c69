import type { Message } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import type { TestClient } from '../support/client.js';
import { startTestCluster } from '../support/cluster.js';
import { get } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { patient, until } from '../support/wait.js';

const FAIL_OVER_MS = 5_000;

describe('The demo feeds of a cluster', () => {
  let cluster: LocalCluster;
  let client: TestClient;

  before(async () => {
    cluster = await startTestCluster({ env: { FEEDS: 'on', FEEDS_INTERVAL_MS: '200' } });
    client = await subscribeOver('websocket', { url: cluster.url }, { topics: ['market:*', 'system:*'] });
  });

  after(async () => {
    client?.close();
    await cluster?.stop();
  });

  it('are published by one node, and by another within five seconds of its death, without a doubled step', async () => {
    const steps = () => client.seen.messages.filter(({ topic }) => topic === 'market:SP500').map(row);
    await until('prices flow', () => steps().length >= 5);
    const publisher = await publishingNode(cluster);
    const others = cluster.nodes.filter((node) => node !== publisher);
    // The client must outlive the node that publishes.
    client.close();
    client = await subscribeOver('websocket', { url: others[0]!.url }, { topics: ['market:*', 'system:*'] });
    await until('prices flow', () => steps().length >= 5);

    await publisher.process.stop('SIGKILL');
    const before = steps().length;
    const killedAt = performance.now();
    await until('another node publishes', () => steps().length > before + 1);
    expect(performance.now() - killedAt).to.be.below(patient(FAIL_OVER_MS));

    const rows = steps();
    expect(new Set(rows).size, 'steps without a double').to.equal(rows.length);
    expect(rows, 'steps in order').to.deep.equal([...rows].sort((a, b) => a - b));
  });

  it('measure every node that is alive', async () => {
    const alive = cluster.nodes.filter(({ process }) => process.running).map(({ name }) => `system:${name}`);
    await until('each has been measured', () => alive.every((topic) => client.seen.data(topic).length > 0));
    expect(client.seen.data(alive[0]).at(-1)).to.include({ source: 'measured' });
  });
});

function row({ data }: Message): number {
  return (data as { row: number }).row;
}

async function publishingNode(cluster: LocalCluster) {
  for (const node of cluster.nodes) {
    const { body } = await get<string>(`${node.url}/metrics`);
    if (/axiom_messages_published_total\{stream="market",class="state"\} [1-9]/.test(body)) return node;
  }
  throw new Error('no node publishes the market feed');
}
