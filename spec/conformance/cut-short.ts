import type { Message } from '@axiom-streaming/protocol/message';
import { TRANSPORTS, type TransportName } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import { until } from '../support/wait.js';
import type { WebSocketTestClient } from '../support/websocket-client.js';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor, messagesOf, type Visitor } from './visitor.js';

/** Cursors of a backfill: a connection may be cut before its first message, and after any of them. */
export function cutShort(target: Target): void {
  describe('A cut in the middle of a backfill', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);
    const messageFrames = ({ frames }: WebSocketTestClient) =>
      frames.filter(({ op }) => op === 'message') as unknown as { message: Message; cursor: string }[];

    it('of a rewind loses nothing: each of its messages has a cursor for the rest', async () => {
      const [a, b] = [target.topic('news'), target.topic('news')];
      for (const n of [1, 2, 3]) {
        await visitor().publishAll(a, [`a${n}`]);
        await visitor().publishAll(b, [`b${n}`]);
      }
      const client = await visitor().connectWebSocket();
      await client.request('subscribe', { topics: [a, b], rewind: 3 });
      await client.received(3, b);
      const rewound = client.seen.data();
      for (const [i, { cursor }] of messageFrames(client).entries()) {
        const later = await visitor().subscribe('websocket', { topics: [a, b], since: cursor });
        await visitor().publish(b, `fence ${i}`);
        await until('the fence comes', () => later.seen.data(b).includes(`fence ${i}`));
        const rest = messagesOf(later, a, b).map(({ data }) => String(data));
        expect(rest.filter((data) => !data.startsWith('fence'))).to.deep.equal(rewound.slice(i + 1));
      }
    });

    it('of a snapshot loses no newest value', async function () {
      const lack = target.lacks('market', 'state');
      if (lack !== undefined) target.skip(this, lack);
      const topics = [target.topic('market'), target.topic('market'), target.topic('market')];
      for (const topic of topics) await visitor().publishAll(topic, ['old', `newest of ${topic}`]);
      const client = await visitor().connectWebSocket();
      await client.request('subscribe', { topics });
      await client.received(1, topics[2]!);
      const { cursor } = messageFrames(client)[0]!;
      const later = await visitor().subscribe('websocket', { topics, since: cursor });
      await later.received(1, topics[2]!);
      await until('the last is the newest', () => later.seen.data().at(-1) === `newest of ${topics[2]}`);
      for (const topic of topics.slice(1)) {
        expect(later.seen.data(topic).at(-1)).to.equal(`newest of ${topic}`);
      }
    });

    it('of a further topic loses nothing of the first: repeats are recognised by their seq', async () => {
      const [first, further] = [target.topic('news'), target.topic('news')];
      await visitor().publishAll(further, ['f1', 'f2', 'f3']);
      const client = await visitor().connectWebSocket();
      await client.request('subscribe', { topics: [first] });
      await visitor().publish(first, 1);
      await client.received(1, first);
      await client.request('subscribe', { topics: [further], rewind: 3 });
      await client.received(3, further);
      const { cursor } = messageFrames(client).find(({ message }) => message.data === 'f1')!;

      await visitor().publishAll(first, [2]);
      const later = await visitor().subscribe('websocket', { topics: [first, further], since: cursor });
      await later.received(2, further);
      await until('the newest comes', () => later.seen.data(first).includes(2));
      const last = client.seen.messages.find(({ topic }) => topic === first)!.seq;
      const fresh = messagesOf(later, first).filter(({ seq }) => seq > last);
      expect(fresh.map(({ data }) => data)).to.deep.equal([2]);
      expect(later.seen.data(further)).to.deep.equal(['f2', 'f3']);
    });
  });

  for (const [name, streamClass, rewind] of [
    ['market', 'state', undefined],
    ['news', 'log', 3],
  ] as const) {
    describe(`A client that got nothing but the first cursor of ${rewind ? 'a rewind' : 'a snapshot'}`, () => {
      needsStream(target, name, streamClass);
      const visitor = eachTestHasVisitor(target);

      for (const transport of TRANSPORTS) {
        it(`gets the backfill when it comes back over ${transport}`, async () => {
          const topic = target.topic(name);
          await visitor().publishAll(topic, ['newest']);
          const since = await firstCursorOf(visitor(), transport, topic, rewind);
          const later = await visitor().subscribe(transport, { topics: [topic], since });
          await visitor().publish(topic, 'live');
          await until('live comes', () => later.seen.data(topic).includes('live'));
          expect(messagesOf(later, topic).map(({ data }) => data)).to.deep.equal(['newest', 'live']);
        });
      }
    });
  }
}

/** The cursor that comes with the acknowledgement, or over SSE with the first position. */
async function firstCursorOf(
  visitor: Visitor,
  transport: TransportName,
  topic: string,
  rewind: number | undefined,
): Promise<string> {
  const options = rewind === undefined ? {} : { rewind };
  if (transport === 'sse') {
    const stream = await visitor.openStream({ topics: topic, ...(rewind ? { rewind: String(rewind) } : {}) });
    await until('the position comes', () => stream.events.length > 0);
    stream.close();
    return stream.events[0]!.id!;
  }
  const client = await visitor.connect(transport);
  const { cursor } = await client.request('subscribe', { topics: [topic], ...options });
  client.close();
  return String(cursor);
}
