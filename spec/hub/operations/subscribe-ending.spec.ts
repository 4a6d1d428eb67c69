import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { expect } from 'chai';
import { HubError } from '../../../server/errors.js';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import type { SubscribeOptions } from '../../../server/hub/operations/subscribe.js';
import { unsubscribe } from '../../../server/hub/operations/unsubscribe.js';
import { upTo } from '../../support/range.js';
import { failureOf, Gate, type RecordingSink, settle, type TestHub } from '../support.js';
import { readingHelpers, startReading } from './reading.js';

describe('A subscription', () => {
  let test: TestHub;
  let sink: RecordingSink;
  let subscriber: Subscriber;
  const { read, readersOf, keysAndSeqs } = readingHelpers(() => ({ test, sink, subscriber }));

  async function start(options: Parameters<typeof startReading>[0] = {}): Promise<void> {
    ({ test, sink, subscriber } = await startReading(options));
  }

  afterEach(() => test.stop());

  describe('whose announcement fails', () => {
    const fail = { onPlanned: () => Promise.reject(new Error('no session')) };

    it('is taken back', async () => {
      await start();
      await test.publishMany(3, 'market:a', 'market:b');
      const error = await failureOf(() => read(['market:*', 'news:a'], {}, fail));
      await test.publishMany(2, 'market:a', 'news:a');

      expect(error).to.be.instanceOf(Error).with.property('message', 'no session');
      expect(sink.messages).to.deep.equal([]);
      expect(subscriber.topics()).to.deep.equal([]);
      expect(subscriber).to.include({ settled: true });
      expect([...readersOf('market'), ...readersOf('news')]).to.deep.equal([]);
      expect(subscriber.cursor()).to.equal('-');
    });

    it('loses nothing of what was subscribed to before', async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(3, 'news:b');
      await read(['news:a']);
      await failureOf(() =>
        read(
          ['news:b', 'signals:a'],
          { since: `${test.cursor('news', 1)}~${test.cursor('signals', 0)}` },
          {
            onPlanned: async () => {
              await test.publishMany(4, 'news:a', 'news:b');
              await settle();
              throw new Error('no session');
            },
          },
        ),
      );
      await test.publishMany(2, 'news:a', 'news:b');

      expect(keysAndSeqs()).to.deep.equal(['news:a 4', 'news:a 6', 'news:a 8']);
      expect(subscriber.topics()).to.deep.equal(['news:a']);
      expect(readersOf('signals')).to.deep.equal([]);
      expect(subscriber.settled).to.equal(true);
    });
  });

  describe('whose connection is closed in the middle', () => {
    const expectNothingLeft = async () => {
      await test.publishMany(2, 'news:a');
      expect(readersOf('news')).to.deep.equal([]);
      expect(subscriber.readers.size).to.equal(0);
      expect(test.hub.subscribers.size).to.equal(0);
    };

    beforeEach(async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a');
    });

    it('leaves no reader when it is closed at the announcement', async () => {
      await read(
        ['news:a'],
        { since: test.cursor('news', 1) },
        { onPlanned: () => test.hub.detach(subscriber) },
      );
      await expectNothingLeft();
      expect(sink.messages).to.deep.equal([]);
    });

    it('leaves no reader when it is closed at an announcement that then fails', async () => {
      await read(['news:b']);
      await failureOf(() =>
        read(
          ['news:a'],
          {},
          {
            onPlanned: () => {
              test.hub.detach(subscriber);
              throw new Error('too late');
            },
          },
        ),
      );
      await expectNothingLeft();
    });

    it('leaves no reader when it is closed before the verdicts are known', async () => {
      const gate = new Gate();
      test.log.beforeAnswer = (call) => (call === 'check' ? gate.pass() : undefined);
      const reading = read(['news:a'], { since: test.cursor('news', 1) });
      await gate.reached('the log is asked');
      test.hub.detach(subscriber);
      gate.open();
      expect(await reading, 'what was announced to nobody').to.equal(undefined);
      await expectNothingLeft();
    });

    it('leaves no reader when it is closed while the log is read for it', async () => {
      const gate = new Gate();
      test.log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
      const reading = read(['news:a'], { since: test.cursor('news', 1) });
      await gate.reached('the log is read');
      test.hub.detach(subscriber);
      gate.open();
      await reading;
      await expectNothingLeft();
    });
  });

  it('has the log read no further for it once its connection was told to end', async () => {
    await start({ limits: { windowBytes: 0 } });
    await test.publishMany(3_000, 'news:a');
    const gate = new Gate();
    test.log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
    const reading = read(['news:a'], { since: test.cursor('news', 1) });
    await gate.reached('the log is read');
    subscriber.close(CLOSE.noPong);
    gate.open();
    await reading;
    expect(test.log.countOf('range')).to.equal(1);
    expect(sink.messages).to.deep.equal([]);
  });

  describe('that is ended', () => {
    beforeEach(async () => {
      await start();
      await read(['news:a', 'news:b', 'market:*']);
    });

    it('gets no more, and says what is left', async () => {
      const left = await unsubscribe(test.hub, subscriber, { topics: ['news:a', 'market:*', 'signals:x'] });
      await test.publishMany(4, 'news:a', 'news:b', 'market:a', 'signals:x');
      expect(left).to.deep.equal(['news:b']);
      expect(keysAndSeqs()).to.deep.equal(['news:b 2']);
      expect(readersOf('market')).to.deep.equal([]);
    });

    it('takes its stream out of the cursor, and tells that', async () => {
      await unsubscribe(test.hub, subscriber, { topics: ['market:*'] });
      expect(subscriber.cursor()).to.equal(test.cursor('news', 0));
      expect(sink.positions.at(-1)).to.equal(test.cursor('news', 0));
    });

    it('is refused for an invalid topic', async () => {
      const error = await failureOf(() => unsubscribe(test.hub, subscriber, { topics: ['news:a', 'news'] }));
      expect(error).to.include({ code: 'bad_topic', field: 'topics[1]' });
      expect(subscriber.topicCount).to.equal(3);
    });
  });

  describe('that is refused', () => {
    beforeEach(() => start());

    const refusal = async (
      topics: string[],
      request: object = {},
      options: Partial<SubscribeOptions> = {},
    ) => {
      const error = await failureOf(() => read(topics, request, options));
      expect(error).to.be.instanceOf(HubError);
      return error as HubError;
    };

    it('names the topic that is invalid, or whose stream does not exist', async () => {
      expect(await refusal(['news:a', 'news'])).to.include({ code: 'bad_topic', field: 'topics[1]' });
      expect(await refusal(['news:b c'])).to.include({ code: 'bad_topic', field: 'topics[0]' });
      expect(await refusal(['news:a', 'sport:a'])).to.include({ code: 'unknown_stream', field: 'topics[1]' });
      expect(subscriber.topics()).to.deep.equal([]);
    });

    it('says that a cursor is invalid', async () => {
      expect(await refusal(['news:a'], { since: 'news.abc' })).to.include({
        code: 'bad_cursor',
        field: 'since',
      });
    });

    it('counts the topics of the connection', async () => {
      const ten = upTo(10).map((n) => `news:k${n}`);
      expect(await refusal([...ten, 'news:k11'])).to.include({ code: 'too_many_topics', field: 'topics' });
      expect(subscriber.topics()).to.deep.equal([]);
      await read(ten);
      expect(await refusal(['market:a'])).to.include({ code: 'too_many_topics' });
      expect(subscriber.topics()).to.deep.equal(ten);
      await read(['news:k1', 'news:k10']);
      await unsubscribe(test.hub, subscriber, { topics: ['news:k1'] });
      await read(['market:a']);
      expect(subscriber.topicCount).to.equal(10);
    });

    it('waits for an unreachable log until its deadline, and then has changed nothing', async () => {
      test.log.follower.interrupted();
      const error = await refusal(['news:a'], {}, { waitMs: 30 });
      expect(error).to.include({ code: 'log_unavailable' });
      expect(subscriber.topics()).to.deep.equal([]);
      expect(readersOf('news')).to.deep.equal([]);
    });

    it('is made when the log is back within that time', async () => {
      test.log.follower.interrupted();
      const reading = read(['news:a'], {}, { waitMs: 10_000 });
      await settle();
      test.log.follower.resumed();
      await reading;
      await test.publish('news:a');
      expect(sink.seqs()).to.deep.equal([1]);
    });
  });
});
