import { expect } from 'chai';
import { until } from '../support/wait.js';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor, messagesOf, SOCKETS } from './visitor.js';

/** `subscribe` and `unsubscribe`: what they are answered with and what they change. */
export function subscribing(target: Target): void {
  describe('Subscribing', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    for (const transport of SOCKETS) {
      describe(`over ${transport}`, () => {
        it('is acknowledged with the topics in their order, each once, and a cursor', async () => {
          const [a, b] = [target.topic('news'), target.topic('news')];
          const client = await visitor().connect(transport);
          const ack = await client.request('subscribe', { topics: [b, a, b] });
          expect(ack.ok).to.equal(true);
          expect(ack.topics).to.deep.equal([{ topic: b }, { topic: a }]);
          expect(ack.cursor)
            .to.be.a('string')
            .that.matches(/^[A-Za-z0-9._~-]+$/);
        });

        it('gives a cursor with the acknowledgement from which the connection can be resumed', async () => {
          const topic = target.topic('news');
          const client = await visitor().connect(transport);
          const { cursor } = await client.request('subscribe', { topics: [topic] });
          client.close();
          await visitor().publishAll(topic, ['missed']);
          const later = await visitor().subscribe(transport, { topics: [topic], since: String(cursor) });
          expect(later.verdicts).to.deep.equal([{ topic, recovered: true }]);
          await later.received(1, topic);
        });

        it('adds to what the connection reads', async () => {
          const [a, b] = [target.topic('news'), target.topic('news')];
          const client = await visitor().connect(transport);
          await client.request('subscribe', { topics: [a] });
          await client.request('subscribe', { topics: [b] });
          await visitor().publish(a, 1);
          await visitor().publish(b, 2);
          await client.received(1, b);
          expect(client.seen.data()).to.deep.equal([1, 2]);
        });

        it('twice does not deliver twice', async () => {
          const topic = target.topic('news');
          const client = await visitor().connect(transport);
          await client.request('subscribe', { topics: [topic] });
          await client.request('subscribe', { topics: [topic] });
          for (const value of [1, 2, 3]) await visitor().publish(topic, value);
          await client.received(3, topic);
          expect(client.seen.data()).to.deep.equal([1, 2, 3]);
        });

        it('does nothing at all where one of the topics is refused', async () => {
          const [topic, fence] = [target.topic('news'), target.topic('news')];
          const client = await visitor().connect(transport);
          await client.request('subscribe', { topics: [fence] });
          expect((await client.request('subscribe', { topics: [topic, 'news'] })).ok).to.equal(false);
          await visitor().publish(topic, 'unwanted');
          await visitor().publish(fence, 'wanted');
          await client.received(1, fence);
          expect(client.seen.data()).to.deep.equal(['wanted']);
        });

        it('ends with unsubscribe, which answers with the remaining topics', async () => {
          const [ended, kept] = [target.topic('news'), target.topic('news')];
          const client = await visitor().connect(transport);
          await client.request('subscribe', { topics: [ended, kept] });
          await visitor().publish(ended, 'before');
          await client.received(1, ended);
          const ack = await client.request('unsubscribe', { topics: [ended] });
          expect(ack).to.deep.include({ ok: true, topics: [kept] });
          await visitor().publish(ended, 'after');
          await visitor().publish(kept, 'fence');
          await client.received(1, kept);
          expect(client.seen.data()).to.deep.equal(['before', 'fence']);
        });

        it('leaves the cursor empty once nothing is subscribed to', async () => {
          const topic = target.topic('news');
          const client = await visitor().connect(transport);
          await client.request('subscribe', { topics: [topic] });
          await until('the position is told', () => client.seen.cursor !== '');
          expect(client.seen.cursor).not.to.equal('-');
          expect((await client.request('unsubscribe', { topics: [topic] })).topics).to.deep.equal([]);
          await until('the cursor is empty', () => client.seen.cursor === '-');
        });

        it('ignores an unsubscribe of a topic that is not subscribed to', async () => {
          const [topic, other] = [target.topic('news'), target.topic('news')];
          const client = await visitor().connect(transport);
          await client.request('subscribe', { topics: [topic] });
          expect(await client.request('unsubscribe', { topics: [other] })).to.deep.include({
            ok: true,
            topics: [topic],
          });
        });
      });
    }

    it('is acknowledged before the first message that it brings, over Socket.IO', async () => {
      const topic = target.topic('news');
      await visitor().publishAll(topic, [1, 2]);
      const { socket } = await visitor().connectSocketIo();
      const order: string[] = [];
      socket.onAny((name: string) => order.push(name));
      socket.emit('subscribe', { topics: [topic], rewind: 2 }, () => order.push('acknowledgement'));
      await until('the position is told', () => order.includes('position'));
      expect(order).to.deep.equal(['acknowledgement', 'message', 'message', 'position']);
    });

    it('is acknowledged before the first message that it brings, over WebSocket', async () => {
      const topic = target.topic('news');
      await visitor().publishAll(topic, [1, 2]);
      const client = await visitor().connectWebSocket();
      await client.request('subscribe', { topics: [topic], rewind: 2 });
      await client.received(2, topic);
      await until('the position is told', () => client.seen.positions.length > 0);
      expect(client.frames.map(({ op }) => op)).to.deep.equal([
        'welcome',
        'ack',
        'message',
        'message',
        'position',
      ]);
      expect(messagesOf(client, topic).map(({ data }) => data)).to.deep.equal([1, 2]);
    });
  });
}
