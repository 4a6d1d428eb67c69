import type { TopicVerdict } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import { upTo } from '../../support/range.js';
import { type RecordingSink, STREAMS, settle, type TestHub } from '../support.js';
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

  describe('with neither since nor rewind', () => {
    beforeEach(() => start());

    it('gets the messages from now on, each with the cursor that it makes', async () => {
      await test.publishMany(3, 'news:a');
      const { topics, cursor } = await read(['news:a']);
      expect(topics).to.deep.equal([{ topic: 'news:a' }]);
      expect(cursor).to.equal(test.cursor('news', 3));
      await test.publishMany(4, 'news:a', 'news:b');

      expect(keysAndSeqs()).to.deep.equal(['news:a 4', 'news:a 6']);
      expect(sink.messages.map(({ cursor }) => cursor)).to.deep.equal([
        test.cursor('news', 4),
        test.cursor('news', 6),
      ]);
    });

    it('begins in a stream of class "state" with the newest message of each key', async () => {
      await test.publishMany(7, 'market:a', 'market:b', 'market:c');
      await read(['market:a', 'market:b', 'market:unheard']);
      expect(keysAndSeqs()).to.deep.equal(['market:b 5', 'market:a 7']);
      await test.publish('market:b');
      expect(sink.seqs()).to.deep.equal([5, 7, 8]);
    });

    it('begins with the newest message of every key of a whole stream of class "state"', async () => {
      await test.publishMany(7, 'market:a', 'market:b', 'market:c');
      await read(['market:*', 'market:a']);
      expect(keysAndSeqs()).to.deep.equal(['market:b 5', 'market:c 6', 'market:a 7']);
    });

    it('has no snapshot in the other classes', async () => {
      await test.publishMany(3, 'news:a');
      await test.publishMany(3, 'signals:a');
      await read(['news:a', 'signals:*']);
      expect(sink.messages).to.deep.equal([]);
      expect(subscriber.cursor()).to.equal(`${test.cursor('news', 3)}~${test.cursor('signals', 3)}`);
    });

    it('is announced before anything is written for it', async () => {
      await test.publishMany(2, 'market:a', 'market:b');
      await read(
        ['market:*'],
        {},
        {
          onPlanned: async () => {
            sink.events.push('planned');
            await test.publish('market:c');
            await settle();
          },
        },
      );
      expect(withoutPositions().slice(0, 4)).to.deep.equal([
        'planned',
        'message 1',
        'message 2',
        'message 3',
      ]);
    });

    it('names a topic once that was asked for twice', async () => {
      const { topics } = await read(['news:a', 'news:a', 'news:b']);
      expect(topics.map(({ topic }) => topic)).to.deep.equal(['news:a', 'news:b']);
      expect(subscriber.topicCount).to.equal(2);
    });
  });

  describe('with since', () => {
    const lossOf = (topic: string, reason: string) => ({ topic, recovered: false, reason }) as TopicVerdict;

    it('gets what it missed from the window, and then live messages', async () => {
      await start();
      await test.publishMany(10, 'news:a', 'news:b');
      const { topics, cursor } = await read(['news:a'], { since: test.cursor('news', 4) });
      await test.publish('news:a');

      expect(topics).to.deep.equal([{ topic: 'news:a', recovered: true }]);
      expect(cursor).to.equal(test.cursor('news', 4));
      expect(sink.seqs()).to.deep.equal([5, 7, 9, 11]);
      expect(test.log.countOf('range')).to.equal(0);
    });

    it('gets what it missed from the log if the window does not reach back far enough', async () => {
      await start({ limits: { windowBytes: 3_000 } });
      await test.publishMany(1_500, 'news:a', 'news:b', 'news:c');
      await read(['news:a', 'news:c'], { since: test.cursor('news', 100) });
      await test.publish('news:a');

      expect(sink.seqs()).to.deep.equal([...upTo(1_500, 101).filter((seq) => seq % 3 !== 2), 1_501]);
      expect(test.log.countOf('range')).to.be.within(1, 4);
    });

    it('has a verdict for each topic, and a snapshot of what is not recovered in class "state"', async () => {
      await start({
        streams: STREAMS.map((stream) => ({ ...stream, maxMessages: 10 })),
        limits: { windowBytes: 0 },
      });
      await test.publishMany(2, 'market:quiet', 'market:a');
      await test.publishMany(40, 'market:a', 'market:b');
      await test.publishMany(2, 'news:a');
      const since = `${test.cursor('market', 2)}~news.older.1`;
      const { topics } = await read(['market:quiet', 'market:a', 'market:b', 'news:a', 'signals:a'], {
        since,
      });

      expect(topics).to.deep.equal([
        { topic: 'market:quiet', recovered: true },
        lossOf('market:a', 'trimmed'),
        lossOf('market:b', 'trimmed'),
        lossOf('news:a', 'epoch_changed'),
        lossOf('signals:a', 'no_position'),
      ]);
      expect(keysAndSeqs()).to.deep.equal(['market:a 41', 'market:b 42']);
    });

    it('neither reads the log nor speaks of a gap for a topic that had nothing since', async () => {
      await start({
        streams: STREAMS.map((stream) => ({ ...stream, maxMessages: 100 })),
        limits: { windowBytes: 0 },
      });
      await test.publish('news:quiet');
      for (let n = 0; n < 20; n++) await test.publishMany(60, 'news:busy');
      test.log.calls.length = 0;
      const { topics } = await read(['news:quiet'], { since: test.cursor('news', 1) });
      await test.publish('news:quiet');

      expect(topics).to.deep.equal([{ topic: 'news:quiet', recovered: true }]);
      expect(sink.seqs()).to.deep.equal([1_202]);
      expect(sink.gaps, 'gaps').to.deep.equal([]);
      expect(test.log.countOf('range'), 'reads of the log').to.equal(0);
    });

    it('waits for messages that the client has seen on a quicker node', async () => {
      await start();
      await test.publishMany(2, 'news:a');
      test.log.announcements = 'keep';
      for (const n of [3, 4]) await test.log.append('news', [{ key: 'a', data: String(n) }]);
      await settle();
      const reading = read(['news:a'], { since: test.cursor('news', 4) });
      await settle();
      test.log.announceKept();
      const { topics } = await reading;
      await test.publish('news:a');

      expect(topics).to.deep.equal([{ topic: 'news:a', recovered: true }]);
      expect(sink.seqs()).to.deep.equal([5]);
    });

    it('is told once of messages lost while it is held', async () => {
      await start({ streams: STREAMS.map((stream) => ({ ...stream, maxMessages: 10 })) });
      await test.publishMany(2, 'news:a');
      await read(
        ['news:a'],
        { since: test.cursor('news', 1) },
        {
          onPlanned: async () => {
            test.log.announcements = 'drop';
            test.log.follower.interrupted();
            for (let n = 0; n < 60; n++) await test.log.append('news', [{ key: 'a', data: '0' }]);
            await settle();
            test.log.follower.resumed();
            await test.reached('news', 62);
          },
        },
      );

      const { first } = await test.log.check('news', 0);
      const missing = sink.gaps.flatMap(({ from = 0, to = 0 }) => upTo(to, from));
      expect(missing.concat(sink.seqs()).sort((a, b) => a - b)).to.deep.equal(upTo(62, 2));
      expect(sink.seqs().slice(-11)).to.include.members(upTo(62, Math.max(first, 52)));
    });

    it('is told of messages trimmed after the verdict', async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a');
      const range = test.log.range.bind(test.log);
      test.log.range = async (...args) => (await range(...args)).filter(({ seq }) => seq > 550);
      const { topics } = await read(['news:a'], { since: test.cursor('news', 10) });

      expect(topics).to.deep.equal([{ topic: 'news:a', recovered: true }]);
      for (const gap of sink.gaps) {
        expect(gap).to.deep.include({
          stream: 'news',
          topics: ['news:a'],
          recovered: false,
          reason: 'trimmed',
        });
      }
      expect(sink.gaps.flatMap(({ from = 0, to = 0 }) => upTo(to, from))).to.deep.equal(upTo(550, 11));
      expect(sink.seqs()).to.deep.equal(upTo(600, 551));
    });
  });

  describe('with rewind', () => {
    beforeEach(() => start());

    it('begins with the last messages of each topic', async () => {
      await test.publishMany(9, 'news:a', 'news:b', 'news:c');
      const { topics } = await read(['news:a', 'news:b'], { rewind: 2 });
      await test.publish('news:b');

      expect(topics).to.deep.equal([{ topic: 'news:a' }, { topic: 'news:b' }]);
      expect(sink.seqs()).to.deep.equal([4, 5, 7, 8, 10]);
    });

    it('takes the place of the snapshot', async () => {
      await test.publishMany(6, 'market:a', 'market:b');
      await read(['market:*'], { rewind: 3 });
      expect(sink.seqs()).to.deep.equal([4, 5, 6]);
    });

    it('begins with fewer messages if there are fewer', async () => {
      await test.publishMany(2, 'news:a');
      await read(['news:a', 'news:unheard'], { rewind: 50 });
      expect(sink.seqs()).to.deep.equal([1, 2]);
    });
  });
});
