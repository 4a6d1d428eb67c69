import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import { until } from '../support/wait.js';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor, messagesOf } from './visitor.js';

/** JSON values that a careless transport would change. */
const VALUES = [
  { price: 187.2, nested: { list: [1, [2, null]], empty: {} } },
  [],
  'line\nbreak\r\n, tab\t, quote" and \\, \u2028 separator',
  'grüße 你好 🚀',
  '',
  0,
  -1.5e-9,
  true,
  false,
  null,
];

/** Live messages: their shape, their order, and whom they reach. */
export function delivering(target: Target): void {
  for (const transport of TRANSPORTS) {
    describe(`Delivery over ${transport}`, () => {
      needsStream(target, 'news', 'log');
      const visitor = eachTestHasVisitor(target);

      it('has topic, seq, time and data, as the publisher was told', async () => {
        const topic = target.topic('news');
        const client = await visitor().subscribe(transport, { topics: [topic] });
        const { seq, time } = await visitor().publish(topic, { price: 1 });
        await client.received(1, topic);
        expect(client.seen.messages).to.deep.equal([{ topic, seq, time, data: { price: 1 } }]);
        expect(seq).to.be.a('number').greaterThan(0);
        expect(Number.isInteger(time)).to.equal(true);
      });

      it('brings every JSON value as it is', async () => {
        const topic = target.topic('news');
        const client = await visitor().subscribe(transport, { topics: [topic] });
        for (const value of VALUES) await visitor().publish(topic, value);
        await client.received(VALUES.length, topic);
        expect(client.seen.data(topic)).to.deep.equal(VALUES);
      });

      it('brings a body with line breaks between its tokens', async () => {
        const topic = target.topic('news');
        const client = await visitor().subscribe(transport, { topics: [topic] });
        const path = `/api/topics/${topic}/messages`;
        expect((await visitor().call('POST', path, '\r\n{\r"a":\n\n[1,\r\n2]}\n')).status).to.equal(201);
        await client.received(1, topic);
        expect(client.seen.data(topic)).to.deep.equal([{ a: [1, 2] }]);
      });

      it('brings a cursor with each message that resumes behind it', async () => {
        const topic = target.topic('news');
        const client = await visitor().subscribe(transport, { topics: [topic] });
        await visitor().publish(topic, 1);
        await client.received(1, topic);
        const { cursor } = client.seen;
        await visitor().publish(topic, 2);
        await client.received(2, topic);
        expect(client.seen.cursor).not.to.equal(cursor);
        const later = await visitor().subscribe(transport, { topics: [topic], since: cursor });
        await later.received(1, topic);
        expect(later.seen.data(topic)).to.deep.equal([2]);
      });

      it('keeps the order of the stream over many topics', async () => {
        const topics = [target.topic('news'), target.topic('news'), target.topic('news')];
        const client = await visitor().subscribe(transport, { topics });
        const items = Array.from({ length: 300 }, (_, n) => ({ topic: topics[n % 3]!, data: n }));
        const { status } = await visitor().call('POST', '/api/messages', JSON.stringify(items));
        expect(status).to.equal(200);
        await until('all have come', () => client.seen.messages.length >= items.length);
        expect(client.seen.data()).to.deep.equal(items.map(({ data }) => data));
        const seqs = client.seen.seqs();
        expect(seqs).to.deep.equal([...seqs].sort((a, b) => a - b));
        expect(new Set(seqs).size).to.equal(items.length);
      });

      it('of stream:* brings every key', async () => {
        const topics = [target.topic('news'), target.topic('news')];
        const client = await visitor().subscribe(transport, { topics: ['news:*'] });
        const published = [await visitor().publish(topics[0]!, 1), await visitor().publish(topics[1]!, 2)];
        await client.received(1, topics[1]!);
        expect(messagesOf(client, ...topics)).to.deep.equal(
          published.map(({ topic, seq, time }, i) => ({ topic, seq, time, data: i + 1 })),
        );
      });

      it('of stream:* together with one of its keys brings each message once', async () => {
        const [key, fence] = [target.topic('news'), target.topic('news')];
        const client = await visitor().subscribe(transport, { topics: [key, 'news:*'] });
        await visitor().publish(key, 'once');
        await visitor().publish(fence, 'fence');
        await client.received(1, fence);
        expect(client.seen.data(key)).to.deep.equal(['once']);
      });

      it('takes keys of 128 characters, with everything that a key may have', async () => {
        const start = target.topic('news');
        const topic = `${start}/A-Z.0_9`.padEnd('news:'.length + 128, '.');
        const client = await visitor().subscribe(transport, { topics: [topic] });
        await visitor().publish(topic, 1);
        await client.received(1, topic);
        expect(client.seen.messages[0]?.topic).to.equal(topic);
      });

      it('goes to those who subscribed to the topic, and to nobody else', async () => {
        const [topic, other] = [target.topic('news'), target.topic('news')];
        const client = await visitor().subscribe(transport, { topics: [topic] });
        await visitor().publish(other, 'unwanted');
        await visitor().publish(topic.toUpperCase().replace('NEWS:', 'news:'), 'another key');
        await visitor().publish(topic, 'wanted');
        await client.received(1, topic);
        expect(client.seen.data()).to.deep.equal(['wanted']);
      });
    });
  }

  describe('Delivery over Socket.IO', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    it('has a string as last argument only if it is a cursor, because the client library takes it for one', async () => {
      const topic = target.topic('news');
      const { socket, events } = await visitor().connectSocketIo();
      await socket.timeout(5_000).emitWithAck('subscribe', { topics: [topic], rewind: 1 });
      await visitor().publish(topic, 'a string as data');
      await until('the message comes', () => events.some(([name]) => name === 'message'));
      await socket.timeout(5_000).emitWithAck('unsubscribe', { topics: [topic] });
      await until('the empty position comes', () => events.at(-1)?.[1] === '-');
      for (const [name, ...args] of events) {
        const strings = args.filter((arg) => typeof arg === 'string');
        expect(strings, name).to.have.length(1);
        expect(args.at(-1), name)
          .to.equal(strings[0])
          .and.match(/^[A-Za-z0-9._~-]+$/);
      }
      expect(events.map(([name]) => name)).to.include.members(['welcome', 'message', 'position']);
    });
  });
}
