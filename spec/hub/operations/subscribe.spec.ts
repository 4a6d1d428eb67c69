import { setImmediate as nextTurn } from 'node:timers/promises';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { TopicVerdict } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import { HubError } from '../../../server/errors.js';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import { type SubscribeOptions, subscribe } from '../../../server/hub/operations/subscribe.js';
import { unsubscribe } from '../../../server/hub/operations/unsubscribe.js';
import { until } from '../../support/wait.js';
import { failureOf, Gate, planned, type RecordingSink, STREAMS, seqIn, settle, TestHub } from '../support.js';

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe('A subscription', () => {
  let test: TestHub;
  let sink: RecordingSink;
  let subscriber: Subscriber;

  async function start(options: Parameters<typeof TestHub.start>[0] = {}): Promise<void> {
    test = await TestHub.start(options);
    ({ sink, subscriber } = test.connect());
  }

  /** Subscribes and keeps what was planned. */
  async function read(
    topics: string[],
    request: { since?: string; rewind?: number } = {},
    options: Partial<SubscribeOptions> = {},
    who: Subscriber = subscriber,
  ) {
    const plan = planned();
    await subscribe(test.hub, who, { topics, ...request }, { ...plan, ...options });
    return plan.results[0]!;
  }

  const readersOf = (stream: string) => [...test.hub.stream(stream).fanout.readers()];
  const withoutPositions = () => sink.events.filter((event) => !event.startsWith('position'));
  const keysAndSeqs = () => sink.messages.map(({ topic, seq }) => `${topic} ${seq}`);

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

    it('gets what it missed, out of the window, and then what comes', async () => {
      await start();
      await test.publishMany(10, 'news:a', 'news:b');
      const { topics, cursor } = await read(['news:a'], { since: test.cursor('news', 4) });
      await test.publish('news:a');

      expect(topics).to.deep.equal([{ topic: 'news:a', recovered: true }]);
      expect(cursor).to.equal(test.cursor('news', 4));
      expect(sink.seqs()).to.deep.equal([5, 7, 9, 11]);
      expect(test.log.countOf('range')).to.equal(0);
    });

    it('gets what it missed, out of the log where the window does not reach', async () => {
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

    it('is told once of what is lost while it is held', async () => {
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

    it('is told of what was trimmed after the verdict', async () => {
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

    it('begins with less where there is less', async () => {
      await test.publishMany(2, 'news:a');
      await read(['news:a', 'news:unheard'], { rewind: 50 });
      expect(sink.seqs()).to.deep.equal([1, 2]);
    });
  });

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
    it('leaves no hole in those that were there, and repeats none of their messages', async () => {
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

    it('has a snapshot of the new keys alone', async () => {
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

    it('is refused for what is no topic', async () => {
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

    it('names the topic that is none, or whose stream is none', async () => {
      expect(await refusal(['news:a', 'news'])).to.include({ code: 'bad_topic', field: 'topics[1]' });
      expect(await refusal(['news:b c'])).to.include({ code: 'bad_topic', field: 'topics[0]' });
      expect(await refusal(['news:a', 'sport:a'])).to.include({ code: 'unknown_stream', field: 'topics[1]' });
      expect(subscriber.topics()).to.deep.equal([]);
    });

    it('says that a cursor is none', async () => {
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

    it('waits for a log that is away as long as it was told, and has changed nothing then', async () => {
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

  describe('while it is held', () => {
    it('shows in the cursor what has really been written', async () => {
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

  describe('when the log begins a new life meanwhile', () => {
    const rotate = async (stream: string) => {
      const { tail } = test.hub.stream(stream);
      const before = tail.epoch;
      await test.log.rotate(stream, before);
      test.log.follower.resumed();
      await until('the hub has noticed', () => tail.epoch !== before);
    };

    it('is told so, with a snapshot in class "state", and goes on', async () => {
      await start();
      await test.publishMany(3, 'market:a', 'market:b');
      await read(['market:*'], { since: test.cursor('market', 1) }, { onPlanned: () => rotate('market') });
      await test.publish('market:a');

      const { epoch } = test.hub.stream('market').tail;
      expect(sink.gaps).to.deep.equal([
        { stream: 'market', topics: ['market:*'], recovered: false, reason: 'epoch_changed', epoch },
      ]);
      expect(withoutPositions()).to.deep.equal(['gap epoch_changed', 'message 2', 'message 3', 'message 4']);
      expect(sink.messages.at(-1)!.cursor).to.equal(test.cursor('market', 4));
    });

    it('is judged in the epoch in which it begins', async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a');
      await test.publishMany(600, 'signals:a');
      let rotated = false;
      test.log.beforeAnswer = async (call) => {
        if (call !== 'check' || rotated) return;
        rotated = true;
        test.log.beforeAnswer = () => undefined;
        await rotate('signals');
      };
      const since = `${test.cursor('news', 1)}~${test.cursor('signals', 600)}`;
      const { topics } = await read(['signals:a', 'news:a'], { since });

      expect(topics).to.deep.equal([
        { topic: 'signals:a', recovered: false, reason: 'epoch_changed' },
        { topic: 'news:a', recovered: true },
      ]);
    });

    it('is not held for ever when that happens while it looks back', async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a');
      const gate = new Gate();
      test.log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
      let done = false;
      const reading = read(['news:a'], { rewind: 20 }).finally(() => {
        done = true;
      });
      await gate.reached('the log is read');
      // Redis was emptied: the new life begins at seq 1.
      const { tail } = test.hub.stream('news');
      const { epoch } = tail;
      const check = test.log.check.bind(test.log);
      const lastValues = test.log.lastValues.bind(test.log);
      test.log.check = async () => ({ epoch: 'newlife', top: 2, first: 1, own: null });
      test.log.lastValues = async () => [{ seq: 2, time: 1, key: 'a', data: '"new"' }];
      test.log.follower.resumed();
      await until('the hub has noticed', () => tail.epoch !== epoch);
      gate.open();
      try {
        await until('the subscription is made', () => done, { withinMs: 1_000 });
      } finally {
        test.log.check = check;
        test.log.lastValues = lastValues;
        test.hub.detach(subscriber);
        test.hub.stop();
        await reading;
      }
    });
  });

  describe('whose log cannot be read for it', () => {
    beforeEach(async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a');
      await test.publishMany(600, 'signals:a');
    });

    it('is not left held and silent after it was acknowledged', async () => {
      test.log.failures.set('range', new HubError('log_unavailable', 'Redis did not answer'));
      const since = `${test.cursor('news', 1)}~${test.cursor('signals', 599)}`;
      const error = await failureOf(() => read(['news:a', 'signals:a'], { since }));
      test.log.failures.clear();
      await test.publish('signals:a');
      await settle();

      expect(error).to.include({ code: 'log_unavailable' });
      expect(sink.closes).to.deep.equal([CLOSE.backfillFailed]);
      test.hub.detach(subscriber);
      expect(test.hub.counters.disconnects.get('backfill_failed')).to.equal(1);
    });
  });

  describe('of a connection that reads slowly', () => {
    const BUDGET = 65_536;

    beforeEach(async () => {
      await start({ limits: { connectionBudgetBytes: BUDGET } });
      for (let n = 0; n < 5; n++) {
        await test.log.append(
          'news',
          upTo(200).map(() => ({ key: 'a', data: JSON.stringify('x'.repeat(400)) })),
        );
      }
      await test.reached('news', 1_000);
      sink.onWrite = ({ data }) => {
        sink.buffered += String(data).length + 60;
      };
    });

    it('pauses its recovery, and goes on when the client has read', async () => {
      let done = false;
      const reading = read(['news:a'], { since: test.cursor('news', 0) }).then(() => {
        done = true;
      });
      for (let round = 0; !done; round++) {
        const written = sink.messages.length;
        await until('it pauses or ends', async () => {
          const before = sink.messages.length;
          await settle();
          return done || (sink.messages.length === before && before > written);
        });
        expect(sink.buffered, `waiting after round ${round}`).to.be.lessThan(BUDGET / 2);
        sink.buffered = 0;
      }
      await reading;
      expect(sink.seqs()).to.deep.equal(upTo(1_000));
      expect(sink.closes).to.deep.equal([]);
    });

    it('is ended with 4008 when live messages exceed its budget, once', async () => {
      await read(['signals:*']);
      sink.onClose = () => undefined;
      for (let n = 0; n < 200; n++) {
        await test.log.append('signals', [{ key: 'a', data: JSON.stringify('x'.repeat(500)) }]);
      }
      await test.reached('signals', 200);

      expect(sink.closes[0]).to.include({ code: 4008, reconnect: 'yes' });
      expect(sink.closes, 'how often it was ended').to.have.length(1);
      expect(test.hub.counters.slowConsumers.closed).to.equal(1);
    });

    it('is not ended while it drains in time', async () => {
      await read(['signals:*']);
      sink.onWrite = () => undefined;
      for (let n = 0; n < 400; n++) {
        await test.log.append('signals', [{ key: 'a', data: JSON.stringify('x'.repeat(500)) }]);
      }
      await test.reached('signals', 400);
      expect(sink.closes).to.deep.equal([]);
      expect(sink.messages).to.have.length(400);
    });
  });
});
