/** What the client library promises, for every transport and wherever it runs: in Node.js and in a browser. */

import type { Gap, Recovery, Status, SubscribeOptions, Transport } from '@axiom-streaming/client';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { nodeNamed, startTestCluster } from '../support/cluster.js';
import { publish } from '../support/http.js';
import { Publishing } from '../support/publishing.js';
import { until } from '../support/wait.js';

/** What a client has seen so far. */
export interface ClientSeen {
  readonly data: readonly unknown[];
  readonly gaps: readonly Gap[];
  readonly recoveries: readonly Recovery[];
  readonly status: Status;
}

/** A client of the library, wherever it runs. */
export interface RunningClient {
  subscribe(topic: string, options: SubscribeOptions): Promise<void>;
  publish(topic: string, data: unknown): Promise<number>;
  history(topic: string, limit: number): Promise<readonly unknown[]>;
  seen(): Promise<ClientSeen>;
  close(): Promise<void>;
}

export type OpenClient = (url: string, transport: Transport) => Promise<RunningClient>;

const PER_SECOND = 200;
const TRANSPORTS: readonly Transport[] = ['socketio', 'websocket', 'sse'];

/** Begins the suite's `describe`. `open` is called for each spec. */
export function describeClient(where: string, open: OpenClient): void {
  describe(`The client library ${where}`, () => {
    let cluster: LocalCluster;
    let client: RunningClient | undefined;

    before(async () => {
      cluster = await startTestCluster({ env: { DRAIN_MS: '0' } });
    });
    afterEach(async () => {
      await client?.close();
      client = undefined;
    });
    after(async () => {
      await cluster?.stop();
    });

    for (const transport of TRANSPORTS) {
      it(`looks back, reads on, publishes and reads history over ${transport}`, async () => {
        const topic = `news:${transport}`;
        for (const n of [0, 1, 2]) await publish(cluster.url, topic, n);
        client = await open(cluster.url, transport);
        await client.subscribe(topic, { rewind: 2 });
        expect(await client.publish(topic, 3)).to.be.greaterThan(3);
        const reading = client;
        await until('the message is back', async () => (await reading.seen()).data.length === 3);
        expect((await client.seen()).data).to.deep.equal([1, 2, 3]);
        expect(await client.history(topic, 2)).to.deep.equal([2, 3]);
        expect((await client.seen()).status).to.include({ state: 'connected', transport });
      });

      it(`loses nothing over ${transport} when its node is killed, and says what was caught up`, async () => {
        const topic = `signals:${transport}`;
        client = await open(cluster.url, transport);
        const reading = client;
        await client.subscribe(topic, {});
        const killed = nodeNamed(cluster, (await client.seen()).status.node ?? '');
        const survivor = cluster.nodes.find(({ name }) => name !== killed.name)!;
        const publishing = new Publishing(survivor.url, topic, PER_SECOND);
        publishing.start();
        await until('messages flow', async () => (await reading.seen()).data.length >= 50);

        await killed.process.stop('SIGKILL');
        await until('it has caught up', async () => (await reading.seen()).recoveries.length > 0);
        const before = (await client.seen()).data.length;
        await until('messages flow again', async () => (await reading.seen()).data.length > before + 50);
        const published = await publishing.stop();
        await until('all are here', async () => (await reading.seen()).data.length >= published);

        const { data, gaps, recoveries, status } = await client.seen();
        expect(data).to.deep.equal(Array.from({ length: published }, (_, n) => n));
        expect(gaps).to.deep.equal([]);
        expect(status).to.include({ state: 'connected', transport });
        expect(status.node).not.to.equal(killed.name);
        expect(recoveries).to.have.length(1);
        const { missed, awayMs, topics } = recoveries[0]!;
        expect(topics).to.deep.equal([{ topic, recovered: true }]);
        // How many there were meanwhile depends on the machine: less than what came after the first ones, at any rate.
        expect(missed).to.be.within(1, published - 50);
        expect(awayMs).to.be.above(0);
        await killed.process.start();
      });
    }
  });
}
