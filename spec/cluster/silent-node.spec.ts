import { fileURLToPath } from 'node:url';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { LocalCluster, LocalNode } from '../../server/local-cluster/local-cluster.js';
import { nextAddress, type TestClient, type TestSubscription } from '../support/client.js';
import { nodeNamed, startTestCluster, subscribeOnNode } from '../support/cluster.js';
import { publish } from '../support/http.js';
import { Publishing } from '../support/publishing.js';
import { subscribeSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';

const HANG = fileURLToPath(new URL('../support/hang-on-signal.js', import.meta.url));
const PER_SECOND = 50;

const CAUSES = [
  {
    name: 'is stopped by SIGSTOP',
    withinMs: 30_000,
    hang: ({ process }: LocalNode) => process.signal('SIGSTOP'),
    mend: async ({ process }: LocalNode) => process.signal('SIGCONT'),
  },
  {
    name: 'has an event loop that does not turn',
    withinMs: 15_000,
    hang: ({ process }: LocalNode) => process.signal('SIGUSR2'),
    // It has ended itself.
    mend: ({ process }: LocalNode) => process.start(),
  },
] as const;

describe('A node that', function () {
  this.timeout(300_000);
  let cluster: LocalCluster;
  /** Clients of another node, to whom nobody publishes anything. */
  const quiet: TestClient[] = [];

  before(async () => {
    // With the heartbeats that people have.
    cluster = await startTestCluster({ nodeArgs: ['--import', HANG] });
    for (const transport of TRANSPORTS)
      quiet.push(await subscribeOnNode(cluster, 'node2', transport, { topics: ['news:quiet'] }));
    quiet.push(await pollingOn('node2', { topics: ['news:quiet'] }));
  });

  after(async () => {
    for (const client of quiet) client.close();
    await cluster?.stop();
  });

  for (const { name, withinMs, hang, mend } of CAUSES) {
    it(`${name} loses its clients to another one within ${withinMs / 1000} s, and they miss nothing`, async () => {
      const topic = `signals:${name.replaceAll(' ', '-')}`;
      const silent = nodeNamed(cluster, 'node1');
      const clients = new Map<string, TestClient>();
      for (const transport of TRANSPORTS)
        clients.set(transport, await subscribeOnNode(cluster, silent.name, transport, { topics: [topic] }));
      const survivor = nodeNamed(cluster, 'node3');
      const publisher = await addressOn(silent.name);
      const publishing = new Publishing(survivor.url, topic, PER_SECOND);
      publishing.start();
      try {
        const all = (holds: (client: TestClient) => boolean) => [...clients.values()].every(holds);
        await until('messages flow', () => all(({ seen }) => seen.messages.length >= 50));

        hang(silent);
        const hungAt = performance.now();
        const answers = statusesOfTwo(publisher);
        const servedAfter: Record<string, number> = {};
        await until(
          'all are served by another node',
          () => {
            for (const [client, { seen, node }] of clients) {
              if (node !== silent.name && seen.nodes.length > 1)
                servedAfter[client] ??= Math.round(performance.now() - hungAt);
            }
            return Object.keys(servedAfter).length === clients.size;
          },
          { withinMs, instead: () => servedAfter },
        );
        console.log(`      served elsewhere after, ms: ${JSON.stringify(servedAfter)}`);
        const published = await publishing.stop();
        await until('everything has arrived', () => all(({ seen }) => seen.messages.length >= published));

        for (const { seen } of clients.values()) {
          expect(seen.data()).to.deep.equal(Array.from({ length: published }, (_, n) => n));
        }
        expect(Math.max(...Object.values(servedAfter))).to.be.below(withinMs);
        // The first one may have been committed: NGINX does not send it to another node by itself.
        const [first, again] = await answers;
        expect(first).to.be.oneOf([502, 504]);
        expect(again).to.equal(201);
      } finally {
        await publishing.stop().catch(() => undefined);
        for (const client of clients.values()) client.close();
        await mend(silent);
      }
    });
  }

  it('does not make NGINX cut connections on which nothing is published', () => {
    expect(quiet.map(({ transport, seen: { losses } }) => [transport, losses])).to.deep.equal([
      ...TRANSPORTS.map((transport) => [transport, 0]),
      ['socketio', 0],
    ]);
  });

  /** An address whose requests NGINX sends to a node. */
  async function addressOn(wanted: string): Promise<string> {
    for (;;) {
      const address = nextAddress();
      const response = await fetch(`${cluster.url}/health/live`, { headers: { 'X-Forwarded-For': address } });
      const { node } = (await response.json()) as { node: string };
      if (node === wanted) return address;
    }
  }

  /** How a publish from an address through NGINX is answered, and the one that follows it at once. */
  async function statusesOfTwo(address: string): Promise<number[]> {
    const statuses: number[] = [];
    for (const data of [1, 2]) {
      const answer = await publish(cluster.url, 'news:published', data, { 'X-Forwarded-For': address });
      statuses.push(answer.status);
    }
    return statuses;
  }

  /** A Socket.IO client that never upgrades: each of its requests has to find its node. */
  async function pollingOn(node: string, subscription: TestSubscription): Promise<TestClient> {
    for (;;) {
      const options = { url: cluster.url, address: nextAddress(), transports: ['polling'] } as const;
      const client = await subscribeSocketIo(options, subscription);
      if (client.node === node) return client;
      client.close();
    }
  }
});
