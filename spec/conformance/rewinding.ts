import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor, messagesOf } from './visitor.js';

/** What a newcomer gets: the snapshot of `state` streams, `rewind`, or nothing. */
export function rewinding(target: Target): void {
  for (const transport of TRANSPORTS) {
    describe(`A newcomer over ${transport}`, () => {
      const visitor = eachTestHasVisitor(target);

      describe('on a state stream', () => {
        needsStream(target, 'market', 'state');

        it('gets the newest message of each topic, then live', async () => {
          const [a, b, empty] = [target.topic('market'), target.topic('market'), target.topic('market')];
          await visitor().publishAll(b, ['old', 'older than a']);
          const [, newest] = await visitor().publishAll(a, ['old', 'newest']);
          const client = await visitor().subscribe(transport, { topics: [a, b, empty] });
          await client.received(1, a);
          expect(client.seen.messages[1]).to.deep.include({ topic: a, seq: newest!.seq, time: newest!.time });
          await visitor().publish(empty, 'live');
          await client.received(1, empty);
          expect(client.seen.data()).to.deep.equal(['older than a', 'newest', 'live']);
        });

        it('gets it for stream:* too, ascending by seq, each key once', async () => {
          const topics = [target.topic('market'), target.topic('market'), target.topic('market')];
          for (const topic of topics) await visitor().publishAll(topic, ['old', topic]);
          await visitor().publishAll(topics[0]!, ['newest']);
          const client = await visitor().subscribe(transport, { topics: ['market:*'] });
          await client.received(1, topics[0]!);
          expect(messagesOf(client, ...topics).map(({ data }) => data)).to.deep.equal([
            topics[1],
            topics[2],
            'newest',
          ]);
          const seqs = client.seen.seqs();
          expect(seqs).to.deep.equal([...seqs].sort((x, y) => x - y));
        });

        it('gets no snapshot in addition to a rewind', async () => {
          const topic = target.topic('market');
          await visitor().publishAll(topic, [1, 2, 3]);
          const client = await visitor().subscribe(transport, { topics: [topic], rewind: 2 });
          await visitor().publish(topic, 'live');
          await client.received(3, topic);
          expect(client.seen.data(topic)).to.deep.equal([2, 3, 'live']);
        });
      });

      for (const [name, streamClass] of [
        ['news', 'log'],
        ['signals', 'ledger'],
      ] as const) {
        describe(`on a ${streamClass} stream`, () => {
          needsStream(target, name, streamClass);

          it('gets nothing from before', async () => {
            const topic = target.topic(name);
            await visitor().publishAll(topic, ['before']);
            const client = await visitor().subscribe(transport, { topics: [topic] });
            await visitor().publish(topic, 'after');
            await client.received(1, topic);
            expect(client.seen.data(topic)).to.deep.equal(['after']);
          });
        });
      }

      describe('with rewind', () => {
        needsStream(target, 'news', 'log');

        it('gets the last n of each topic, ascending by seq over all topics', async () => {
          const [a, b, empty] = [target.topic('news'), target.topic('news'), target.topic('news')];
          for (const n of [1, 2, 3, 4]) {
            await visitor().publish(a, `a${n}`);
            await visitor().publishAll(b, [`b${n}`]);
          }
          const client = await visitor().subscribe(transport, { topics: [b, empty, a], rewind: 2 });
          await client.received(2, b);
          expect(client.seen.data()).to.deep.equal(['a3', 'b3', 'a4', 'b4']);
        });

        it('gets what there is where a topic has fewer than n', async () => {
          const topic = target.topic('news');
          await visitor().publishAll(topic, [1, 2]);
          const client = await visitor().subscribe(transport, { topics: [topic], rewind: 10 });
          await visitor().publish(topic, 3);
          await client.received(3, topic);
          expect(client.seen.data(topic)).to.deep.equal([1, 2, 3]);
        });

        it('gets the last n of the stream for stream:*', async () => {
          const topic = target.topic('news');
          await visitor().publishAll(topic, [1, 2, 3]);
          const client = await visitor().subscribe(transport, { topics: ['news:*'], rewind: 50 });
          await client.received(3, topic);
          const seqs = client.seen.seqs();
          const newest = messagesOf(client, topic).at(-1)!.seq;
          const rewound = seqs.slice(0, seqs.indexOf(newest) + 1);
          expect(rewound, 'contiguous').to.deep.equal(rewound.map((_, i) => newest - rewound.length + 1 + i));
          expect(rewound.length).to.be.within(3, 50);
        });

        it('goes from the rewind to live without a gap or a duplicate while messages arrive', async () => {
          const topic = target.topic('news');
          const count = 300;
          const publish = async () => {
            for (let n = 0; n < count; n++) await visitor().publish(topic, n);
          };
          const publishing = publish();
          const clients = [];
          for (let i = 0; i < 4; i++) {
            clients.push(await visitor().subscribe(transport, { topics: [topic], rewind: 10_000 }));
          }
          await publishing;
          for (const client of clients) {
            await client.received(count, topic);
            expect(client.seen.data(topic)).to.deep.equal(Array.from({ length: count }, (_, n) => n));
          }
        });
      });
    });
  }
}
