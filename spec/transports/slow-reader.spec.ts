/** Readers that really stop, on each transport, against a node with its log in memory. */
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { CLIENTS, type Seen, type TestClient } from '../support/client.js';
import { publishAll } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';

/** The kernel takes several megabytes before anything waits in the node. */
const BATCH = 40;
const TEXT = 'x'.repeat(50_000);

for (const transport of CLIENTS) {
  describe(`A reader that stops, over ${transport}`, () => {
    let app: RunningNode;
    let client: TestClient | undefined;
    const published = new Map<string, number>();

    beforeEach(async () => {
      published.clear();
      app = await startTestApp({ CONNECTION_BUDGET_BYTES: String(256 * 1024), LOG_LEVEL: 'silent' });
    });

    afterEach(async () => {
      client?.resume();
      client?.close();
      client = undefined;
      await app?.stop();
    });

    async function publish(count: number, ...topics: string[]): Promise<void> {
      const items = Array.from({ length: count }, (_, i) => {
        const topic = topics[i % topics.length]!;
        published.set(topic, (published.get(topic) ?? 0) + 1);
        return { topic, data: { text: TEXT } };
      });
      const { body } = await publishAll(app.url, items);
      expect(body.results.every(({ ok }) => ok)).to.equal(true);
    }

    async function stalled(topics: string[], noticed: () => boolean): Promise<TestClient> {
      client = await subscribeOver(transport, { url: app.url }, { topics });
      client.stall();
      for (let i = 0; i < 40 && !noticed(); i++) await publish(BATCH, ...topics);
      expect(noticed(), 'the node has noticed').to.equal(true);
      return client;
    }

    /** Of the one stream of a spec. A publish may be answered before the node has the message. */
    const lastSeq = () => [...published.values()].reduce((sum, count) => sum + count, 0);
    const isSlow = () => app.hub.slow.size === 1;
    const counts = (stream: string) => app.hub.stream(stream).fanout.counts;
    const seqsOf = (seen: Seen, topic: string) =>
      seen.messages.filter((message) => message.topic === topic).map(({ seq }) => seq);
    const ascends = (seqs: readonly number[]) => seqs.every((seq, i) => i === 0 || seq > seqs[i - 1]!);

    it('gets the newest of a "state" stream once it reads again, and is told what was folded', async () => {
      const topics = ['market:a', 'market:b'];
      const reader = await stalled(topics, () => counts('market').conflated > BATCH);
      const { seen } = reader;
      const last = lastSeq();
      reader.resume();
      await until('it has caught up', () => !isSlow() && seen.messages.some(({ seq }) => seq === last));
      await publish(2, ...topics);
      await until('it is live', () => seqsOf(seen, 'market:b').at(-1) === last + 2);
      for (const topic of topics) {
        const messages = seen.messages.filter((message) => message.topic === topic);
        const folded = messages.reduce((sum, { conflated = 0 }) => sum + conflated, 0);
        expect(messages.length + folded, `delivered and folded of ${topic}`).to.equal(published.get(topic));
        expect(ascends(seqsOf(seen, topic))).to.equal(true);
      }
      await until('it is told that it is over', () => seen.degraded.length % 2 === 0);
      // The kernel may take what waits and let it be full again.
      const told = seen.degraded as ({ degraded: boolean } & Record<string, unknown>)[];
      expect(told).not.to.have.length(0);
      for (const [i, info] of told.entries())
        expect(info).to.deep.include({ degraded: i % 2 === 0, reason: 'slow', streams: ['market'] });
      expect(seen.losses).to.equal(0);
      expect(seen.gaps).to.deep.equal([]);
    });

    it('is told what it lost of a "log" stream, and gets everything else in order', async () => {
      const reader = await stalled(['news:a'], () => counts('news').dropped > BATCH);
      const { seen } = reader;
      reader.resume();
      await until('it has caught up', () => !isSlow());
      await publish(1, 'news:a');
      const last = lastSeq();
      await until('it is live', () => seen.seqs().at(-1) === last);
      const lost = seen.gaps.flatMap(({ reason, from = 0, to = 0 }) => {
        expect(reason).to.equal('slow');
        return Array.from({ length: to - from + 1 }, (_, i) => from + i);
      });
      expect([...seen.seqs(), ...lost].sort((a, b) => a - b)).to.deep.equal(
        Array.from({ length: last }, (_, i) => i + 1),
      );
      expect(ascends(seen.seqs())).to.equal(true);
      expect(seen.losses).to.equal(0);
      expect(counts('news').dropped).to.equal(lost.length);
    });

    it('is cut with a "ledger" stream, comes back with its cursor and loses nothing', async () => {
      const isCut = () => app.hub.counters.slowConsumers.closed === 1;
      const reader = await stalled(['signals:a'], isCut);
      const { seen } = reader;
      await until('its connection is gone', () => app.hub.subscribers.size === 0);
      await publish(BATCH, 'signals:a');
      reader.resume();
      const last = lastSeq();
      await until('it has everything', () => seen.seqs().at(-1) === last, {
        instead: () => [seen.seqs().at(-1), last],
      });
      expect(seen.seqs()).to.deep.equal(Array.from({ length: last }, (_, i) => i + 1));
      expect(seen.gaps).to.deep.equal([]);
    });
  });
}
