import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import { nextAddress } from '../support/client.js';
import { until } from '../support/wait.js';
import { aheadOfTheLog, inAnotherEpoch, needsStream, type Target } from './target.js';
import { eachTestHasVisitor, messagesOf, SOCKETS } from './visitor.js';

const CURSORS_DO_NOT_TELL = 'its cursors do not show epoch and seq, so none can be made up';

/** `since`: what was missed, exactly, or why not. */
export function resuming(target: Target): void {
  for (const transport of TRANSPORTS) {
    describe(`Resuming since a cursor over ${transport}`, () => {
      needsStream(target, 'news', 'log');
      const visitor = eachTestHasVisitor(target);

      it('brings exactly what was missed, in order, then live, on another node too', async () => {
        const [topic, other] = [target.topic('news'), target.topic('news')];
        const client = await visitor().subscribe(transport, { topics: [topic, other] });
        await visitor().publish(topic, 'seen');
        await client.received(1, topic);
        const { cursor } = client.seen;
        client.close();
        await visitor().publishAll(topic, [1, 2]);
        await visitor().publishAll(other, [3]);
        await visitor().publishAll(topic, [4]);

        const later = await visitor().subscribe(
          transport,
          { topics: [topic, other], since: cursor },
          nextAddress(),
        );
        expect(later.verdicts).to.deep.equal([
          { topic, recovered: true },
          { topic: other, recovered: true },
        ]);
        await visitor().publish(topic, 'live');
        await until('the live message comes', () => later.seen.data().includes('live'));
        expect(later.seen.data()).to.deep.equal([1, 2, 3, 4, 'live']);
      });

      it('brings what was missed of a ledger stream and of another stream, each in its order', async function () {
        const lack = target.lacks('signals', 'ledger');
        if (lack !== undefined) target.skip(this, lack);
        const [order, item] = [target.topic('signals'), target.topic('news')];
        const client = await visitor().subscribe(transport, { topics: [order, item] });
        await visitor().publish(order, 'seen');
        await client.received(1, order);
        client.close();
        for (const n of [1, 2, 3]) {
          await visitor().publishAll(order, [`order ${n}`]);
          await visitor().publishAll(item, [`item ${n}`]);
        }
        const later = await visitor().subscribe(
          transport,
          { topics: [order, item], since: client.seen.cursor },
          nextAddress(),
        );
        await later.received(3, order);
        await later.received(3, item);
        expect(later.seen.data(order)).to.deep.equal(['order 1', 'order 2', 'order 3']);
        expect(later.seen.data(item)).to.deep.equal(['item 1', 'item 2', 'item 3']);
      });

      it('brings nothing where nothing was missed', async () => {
        const topic = target.topic('news');
        const client = await visitor().subscribe(transport, { topics: [topic] });
        await visitor().publish(topic, 'seen');
        await client.received(1, topic);
        client.close();
        const later = await visitor().subscribe(transport, { topics: [topic], since: client.seen.cursor });
        expect(later.verdicts).to.deep.equal([{ topic, recovered: true }]);
        await visitor().publish(topic, 'live');
        await later.received(1, topic);
        expect(later.seen.data()).to.deep.equal(['live']);
      });

      it('brings what another topic of the same stream missed, subscribed to or not at the time', async () => {
        const [topic, other] = [target.topic('news'), target.topic('news')];
        const client = await visitor().subscribe(transport, { topics: [topic] });
        await visitor().publish(topic, 'seen');
        await client.received(1, topic);
        client.close();
        await visitor().publishAll(other, ['missed']);
        const later = await visitor().subscribe(transport, { topics: [other], since: client.seen.cursor });
        expect(later.verdicts).to.deep.equal([{ topic: other, recovered: true }]);
        await later.received(1, other);
      });

      it('goes live without a gap or a duplicate while messages arrive', async () => {
        const topic = target.topic('news');
        const first = await visitor().subscribe(transport, { topics: [topic] });
        const count = 300;
        let next = 0;
        const publish = async () => {
          while (next < count) await visitor().publish(topic, next++);
        };
        const publishing = publish();
        const seen: unknown[] = [];
        let client = first;
        for (let round = 0; round < 4; round++) {
          await until(
            'some have come',
            () => client.seen.messages.length >= 10 || seen.length + client.seen.messages.length >= count,
          );
          // What came up to the cursor counts; what is still on its way is lost with the connection.
          const { cursor } = client.seen;
          seen.push(...client.seen.data());
          client.close();
          client = await visitor().subscribe(transport, { topics: [topic], since: cursor }, nextAddress());
          expect(client.verdicts).to.deep.equal([{ topic, recovered: true }]);
        }
        await publishing;
        await until('all have come', () => seen.length + client.seen.messages.length >= count, {
          instead: () => seen.length + client.seen.messages.length,
        });
        expect([...seen, ...client.seen.data()]).to.deep.equal(Array.from({ length: count }, (_, n) => n));
      });

      it('of another epoch is not recovered: epoch_changed', async function () {
        const topic = target.topic('news');
        await visitor().publishAll(topic, ['before']);
        const since = inAnotherEpoch(await visitor().stream('news'));
        if (since === undefined) target.skip(this, CURSORS_DO_NOT_TELL);
        const client = await visitor().subscribe(transport, { topics: [topic], since });
        expect(client.verdicts).to.deep.equal([{ topic, recovered: false, reason: 'epoch_changed' }]);
        await visitor().publish(topic, 'live');
        await client.received(1, topic);
        expect(client.seen.data()).to.deep.equal(['live']);
      });

      it('ahead of the log is not recovered: ahead', async function () {
        const topic = target.topic('news');
        await visitor().publishAll(topic, ['before']);
        const since = aheadOfTheLog(await visitor().stream('news'));
        if (since === undefined) target.skip(this, CURSORS_DO_NOT_TELL);
        const client = await visitor().subscribe(transport, { topics: [topic], since });
        expect(client.verdicts).to.deep.equal([{ topic, recovered: false, reason: 'ahead' }]);
        await visitor().publish(topic, 'live');
        await client.received(1, topic);
        expect(client.seen.data()).to.deep.equal(['live']);
      });

      it('that is empty is not recovered: no_position', async () => {
        const topic = target.topic('news');
        const client = await visitor().subscribe(transport, { topics: [topic], since: '-' });
        expect(client.verdicts).to.deep.equal([{ topic, recovered: false, reason: 'no_position' }]);
        await visitor().publish(topic, 'live');
        await client.received(1, topic);
      });

      describe('on a state stream', () => {
        needsStream(target, 'market', 'state');

        it('brings every missed message if it is recovered, and no snapshot', async () => {
          const topic = target.topic('market');
          const client = await visitor().subscribe(transport, { topics: [topic] });
          await visitor().publish(topic, 'seen');
          await client.received(1, topic);
          client.close();
          await visitor().publishAll(topic, [1, 2, 3]);
          const later = await visitor().subscribe(transport, { topics: [topic], since: client.seen.cursor });
          expect(later.verdicts).to.deep.equal([{ topic, recovered: true }]);
          await visitor().publish(topic, 'live');
          await later.received(4, topic);
          expect(later.seen.data()).to.deep.equal([1, 2, 3, 'live']);
        });

        it('brings the snapshot if it is not', async function () {
          const topic = target.topic('market');
          await visitor().publishAll(topic, ['old', 'newest']);
          const now = await visitor().stream('market');
          const refused = [
            { since: '-', reason: 'no_position' },
            { since: inAnotherEpoch(now), reason: 'epoch_changed' },
            { since: aheadOfTheLog(now), reason: 'ahead' },
          ];
          for (const { since, reason } of refused) {
            if (since === undefined) target.skip(this, CURSORS_DO_NOT_TELL);
            const client = await visitor().subscribe(transport, { topics: [topic], since });
            expect(client.verdicts).to.deep.equal([{ topic, recovered: false, reason }]);
            await client.received(1, topic);
            expect(client.seen.data()).to.deep.equal(['newest']);
          }
        });

        it('judges each topic for itself: a stream that the cursor lacks does not spoil another', async () => {
          const [news, market] = [target.topic('news'), target.topic('market')];
          await visitor().publishAll(market, ['newest']);
          const { cursor } = await visitor().stream('news');
          await visitor().publishAll(news, ['missed']);
          const client = await visitor().subscribe(transport, { topics: [market, news], since: cursor });
          expect(client.verdicts).to.deep.equal([
            { topic: market, recovered: false, reason: 'no_position' },
            { topic: news, recovered: true },
          ]);
          await client.received(1, market);
          await client.received(1, news);
          expect(messagesOf(client, market, news)).to.have.length(2);
        });
      });
    });
  }

  describe('A bad cursor', () => {
    needsStream(target, 'market', 'state');
    const visitor = eachTestHasVisitor(target);
    // Each with a character that no cursor has.
    const bad = ['no cursor', '{}', 'market=1', 'märz'];

    for (const transport of SOCKETS) {
      it(`is refused over ${transport}, naming the field`, async () => {
        const client = await visitor().connect(transport);
        for (const since of bad) {
          const ack = await client.request('subscribe', { topics: [target.topic('market')], since });
          expect(ack.ok, since).to.equal(false);
          expect(ack.error, since).to.deep.include({ code: 'bad_cursor', field: 'since' });
        }
      });
    }

    it('over SSE answers 200 and says so in the position, with the snapshot', async () => {
      const topic = target.topic('market');
      await visitor().publishAll(topic, ['newest']);
      for (const since of bad) {
        const stream = await visitor().openStream({ topics: topic, lastEventId: since });
        expect(stream.status, since).to.equal(200);
        await until('the message comes', () => stream.data('message').length > 0);
        const [position] = stream.data('position');
        expect(position, since).to.deep.include({
          recovered: false,
          reason: 'bad_cursor',
          topics: [{ topic }],
        });
        expect(stream.data('message')[0], since).to.deep.include({ topic, data: 'newest' });
      }
    });
  });
}
