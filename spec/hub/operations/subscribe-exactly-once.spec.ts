import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import type { SubscribeOptions } from '../../../server/hub/operations/subscribe.js';
import { unsubscribe } from '../../../server/hub/operations/unsubscribe.js';
import { upTo } from '../../support/range.js';
import { until } from '../../support/wait.js';
import { Gate, type RecordingSink, seqIn, settle, type TestHub } from '../support.js';
import { readingHelpers, startReading } from './reading.js';

describe('A subscription', () => {
  let test: TestHub;
  let sink: RecordingSink;
  let subscriber: Subscriber;
  const { read, withoutPositions, keysAndSeqs } = readingHelpers(() => ({ test, sink, subscriber }));

  async function start(options: Parameters<typeof startReading>[0] = {}): Promise<void> {
    ({ test, sink, subscriber } = await startReading(options));
  }

  afterEach(() => test.stop());

  describe('while messages are published at every step of it', () => {
    /** Publishes to `topic` whenever the log is asked, at the announcement and at every third write. */
    function publishMeanwhile(topic: string): { options: Partial<SubscribeOptions>; count: () => number } {
      let count = 0;
      const once = () => {
        count += 1;
        const [stream = '', key = ''] = topic.split(':');
        return test.log.append(stream, [{ key, data: '0' }]);
      };
      test.log.beforeAnswer = async (call) => {
        if (call === 'append' || count > 200) return;
        await once();
        await nextTurn();
      };
      sink.onWrite = ({ seq }) => {
        if (seq % 3 === 0 && count < 200) void once();
      };
      return {
        count: () => count,
        options: {
          onPlanned: async () => {
            for (let i = 0; i < 5; i++) {
              await once();
              await nextTurn();
            }
          },
        },
      };
    }

    for (const windowBytes of [0, 3_000, 1_000_000]) {
      it(`misses nothing, repeats nothing and keeps the order, with a window of ${windowBytes} bytes`, async () => {
        await start({ limits: { windowBytes } });
        await test.publishMany(1_100, 'news:a');
        const { options, count } = publishMeanwhile('news:a');
        await read(['news:a'], { since: test.cursor('news', 20) }, options);
        await until('the publishing has ended', async () => {
          const before = count();
          await settle();
          return before === count();
        });
        await test.publish('news:a');

        const { last } = test.hub.stream('news').tail;
        expect(count()).to.be.greaterThan(50);
        expect(sink.seqs()).to.deep.equal(upTo(last, 21));
        expect(sink.cursorSeqs('news')).to.deep.equal(sink.seqs());
        expect(subscriber.settled).to.equal(true);
      });
    }

    it('has in a snapshot and after it every value, once', async () => {
      await start();
      await test.publishMany(30, 'market:a', 'market:b', 'market:c');
      const { options, count } = publishMeanwhile('market:b');
      await read(['market:*'], {}, options);
      await until('the publishing has ended', async () => {
        const before = count();
        await settle();
        return before === count();
      });

      const { last } = test.hub.stream('market').tail;
      expect(sink.seqs()).to.deep.equal([28, 29, 30, ...upTo(last, 31)]);
    });
  });

  describe('that is added to others of the same stream', () => {
    it('leaves no gap in the existing topics, and repeats none of their messages', async () => {
      await start({ limits: { windowBytes: 2_000 } });
      await test.publishMany(600, 'news:b');
      await read(['news:a']);
      await test.publish('news:a');
      await read(
        ['news:b'],
        { since: test.cursor('news', 300) },
        {
          onPlanned: async () => {
            await test.publishMany(4, 'news:a', 'news:b');
            await settle();
          },
        },
      );
      await test.publishMany(2, 'news:a', 'news:b');

      expect(sink.seqs('news:a')).to.deep.equal([601, 602, 604, 606]);
      expect(sink.seqs('news:b')).to.deep.equal([...upTo(600, 301), 603, 605, 607]);
      expect(subscriber.topics()).to.deep.equal(['news:a', 'news:b']);
    });

    it('has a snapshot of only the new keys', async () => {
      await start();
      await test.publishMany(4, 'market:a', 'market:b');
      await read(['market:a']);
      await read(['market:a', 'market:b']);
      expect(keysAndSeqs()).to.deep.equal(['market:a 3', 'market:a 3', 'market:b 4']);
    });

    it('waits for those that were asked for before it', async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a');
      const gate = new Gate();
      test.log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
      const first = read(['news:a'], { since: test.cursor('news', 590) });
      await gate.reached('the log is read for the first');
      const second = read(['news:b'], {}, { onPlanned: () => void sink.events.push('planned') });
      const third = unsubscribe(test.hub, subscriber, { topics: ['news:a'] });
      await settle();
      expect(withoutPositions()).to.deep.equal([]);
      gate.open();
      await Promise.all([first, second]);

      expect(await third).to.deep.equal(['news:b']);
      expect(withoutPositions().slice(0, 10)).to.deep.equal(upTo(600, 591).map((seq) => `message ${seq}`));
      expect(sink.events).to.include('planned');
    });

    it('shares the cursor of its connection: one position for each stream', async () => {
      await start();
      await test.publishMany(2, 'news:a');
      await read(['news:a']);
      const { cursor } = await read(['signals:a', 'market:a']);
      expect(cursor).to.equal(
        [test.cursor('market', 0), test.cursor('news', 2), test.cursor('signals', 0)].join('~'),
      );
      await test.publish('signals:a');
      expect(sink.messages[0]!.cursor).to.equal(
        [test.cursor('market', 0), test.cursor('news', 2), test.cursor('signals', 1)].join('~'),
      );
    });
  });

  describe('while it is held', () => {
    it('includes in the cursor only what has really been written', async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a', 'news:b');
      await read(['market:a']);
      const gate = new Gate();
      test.log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
      const reading = read(['news:a'], { since: test.cursor('news', 100) });
      await gate.reached('the log is read');
      await test.publish('market:a');
      expect(subscriber.settled).to.equal(false);
      expect(seqIn(sink.messages[0]!.cursor, 'news'), 'news in the cursor of a live message').to.equal(100);
      gate.open();
      await reading;

      const news = sink.messages.filter(({ topic }) => topic === 'news:a');
      expect(news.map(({ cursor }) => seqIn(cursor, 'news'))).to.deep.equal(news.map(({ seq }) => seq));
      expect(seqIn(sink.cursor, 'news')).to.equal(600);
      expect(seqIn(sink.cursor, 'market')).to.equal(1);
    });

    /** Reads with a connection that breaks after `count` messages, then goes on from its cursor with another one. */
    async function readInTwo(topics: string[], request: { rewind?: number; since?: string }, count: number) {
      const one = test.connect();
      await read(
        topics,
        request,
        {
          onPlanned: ({ cursor }) => {
            one.sink.position(cursor);
            if (count === 0) test.hub.detach(one.subscriber);
            one.sink.onWrite = () => {
              if (one.sink.messages.length === count) test.hub.detach(one.subscriber);
            };
          },
        },
        one.subscriber,
      );
      const seen = one.sink.messages.slice(0, count);
      const since = count === 0 ? one.sink.positions[0]! : seen.at(-1)!.cursor;
      const two = test.connect();
      const { topics: verdicts } = await read(topics, { since }, {}, two.subscriber);
      expect(verdicts.every(({ recovered }) => recovered === true)).to.equal(true);
      return [...seen, ...two.sink.messages].map(({ topic, seq }) => `${topic} ${seq}`);
    }

    it('loses nothing and repeats nothing when it is cut anywhere in a recovery', async () => {
      await start({ limits: { windowBytes: 2_000 } });
      await test.publishMany(30, 'news:a', 'news:b', 'news:c');
      const expected = upTo(30, 6)
        .filter((seq) => seq % 3 !== 0)
        .map((seq) => `news:${'cab'[seq % 3]} ${seq}`);
      for (let count = 0; count <= expected.length; count++) {
        const got = await readInTwo(['news:a', 'news:b'], { since: test.cursor('news', 5) }, count);
        expect(got, `cut after ${count}`).to.deep.equal(expected);
      }
    });

    it('loses no key of a snapshot that is cut anywhere', async () => {
      await start();
      await test.publishMany(8, 'market:a', 'market:b', 'market:c', 'market:d');
      for (let count = 4; count >= 0; count--) {
        const got = await readInTwo(['market:*'], {}, count);
        expect(got, `cut after ${count}`).to.include.members([
          'market:a 5',
          'market:b 6',
          'market:c 7',
          'market:d 8',
        ]);
      }
    });

    it('loses no key of a snapshot in a stream that it reads already, whatever it was cut before', async () => {
      await start();
      await test.publishMany(4, 'market:a', 'market:b');
      await read(['market:a']);
      await test.publish('market:a');
      expect(seqIn(sink.cursor, 'market')).to.equal(5);
      // The client keeps the cursors of messages and positions, as the library of Socket.IO does.
      let kept = sink.cursor;
      const position = sink.position.bind(sink);
      sink.position = (cursor) => {
        kept = cursor;
        position(cursor);
      };
      sink.onWrite = () => test.hub.detach(subscriber);
      await read(['market:b']);

      const again = test.connect();
      await read(['market:a', 'market:b'], { since: kept }, {}, again.subscriber);
      await settle();
      expect(again.sink.messages.map(({ topic, seq }) => `${topic} ${seq}`)).to.include('market:b 4');
    });

    it('loses nothing of a rewind that is cut anywhere', async () => {
      await start();
      await test.publishMany(6, 'news:a', 'news:b');
      for (let count = 3; count >= 0; count--) {
        const got = await readInTwo(['news:*'], { rewind: 3 }, count);
        expect(got, `cut after ${count}`).to.deep.equal(['news:b 4', 'news:a 5', 'news:b 6']);
      }
    });
  });
});
