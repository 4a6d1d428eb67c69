import type { Position } from '@axiom-streaming/protocol/cursor';
import { expect } from 'chai';
import { Hub } from '../../../server/hub/hub.js';
import { LogTops } from '../../../server/hub/recovery/log-tops.js';
import { judge, type Verdict } from '../../../server/hub/recovery/verdict.js';
import { silentLogger } from '../../../server/logger.js';
import { until } from '../../support/wait.js';
import { LIMITS, STREAMS, settle, TestHub } from '../support.js';

describe('The verdict on a topic and a position', () => {
  let test: TestHub;

  afterEach(() => test.stop());

  const epoch = () => test.hub.stream('news').tail.epoch;
  const judged = (key: string, position: Partial<Position> | undefined, maxMessages = 1_000) =>
    judge(test.hub.stream('news').tail, key, position && { epoch: epoch(), seq: 0, ...position }, {
      tops: new LogTops(test.log),
      maxMessages,
    });
  const verdict = async (...args: Parameters<typeof judged>) => {
    const result = await judged(...args);
    return result.recovered ? { recovered: true } : result;
  };
  const lost = (reason: string): Verdict => ({ recovered: false, reason }) as Verdict;
  const RECOVERED = { recovered: true };

  describe('of what the window holds', () => {
    beforeEach(async () => {
      test = await TestHub.start();
      await test.publishMany(10, 'news:a', 'news:b');
      test.log.calls.length = 0;
    });

    afterEach(() => {
      expect(test.log.calls, 'asked of the log').to.deep.equal([]);
    });

    it('is recovered, from the beginning to the last message', async () => {
      for (const seq of [0, 5, 10]) {
        expect(await verdict('a', { seq }), `a since ${seq}`).to.deep.equal(RECOVERED);
        expect(await verdict('*', { seq }), `* since ${seq}`).to.deep.equal(RECOVERED);
      }
    });

    it('lets a topic without new messages continue after the last message of its stream', async () => {
      expect(await judged('unheard', { seq: 0 })).to.deep.equal({ recovered: true, from: 10 });
      expect(await judged('a', { seq: 5 })).to.deep.equal({ recovered: true, from: 5 });
    });

    it('is recovered for a key that never had a message', async () => {
      expect(await verdict('unheard', { seq: 0 })).to.deep.equal(RECOVERED);
    });

    it('is "no_position" where the cursor does not have the stream', async () => {
      expect(await verdict('a', undefined)).to.deep.equal(lost('no_position'));
    });

    it('is "epoch_changed" for a position of another life, whatever its seq', async () => {
      for (const seq of [0, 5, 10, 99]) {
        expect(await verdict('a', { epoch: 'older', seq })).to.deep.equal(lost('epoch_changed'));
      }
    });

    it('is "limit" where more messages of the stream would have to be walked over', async () => {
      expect(await verdict('a', { seq: 4 }, 5)).to.deep.equal(lost('limit'));
      expect(await verdict('a', { seq: 5 }, 5)).to.deep.equal(RECOVERED);
    });

    it('is recovered beyond that limit where nothing of the topic was missed', async () => {
      await test.publishMany(50, 'news:b');
      test.log.calls.length = 0;
      expect(await verdict('a', { seq: 9 }, 5)).to.deep.equal(RECOVERED);
      expect(await verdict('b', { seq: 9 }, 5)).to.deep.equal(lost('limit'));
    });
  });

  describe('of a position ahead of the node', () => {
    beforeEach(async () => {
      test = await TestHub.start();
      await test.publishMany(3, 'news:a');
    });

    it('is "ahead" where the log has no such message either', async () => {
      expect(await verdict('a', { seq: 4 })).to.deep.equal(lost('ahead'));
    });

    it('is recovered where another node has merely been a moment quicker', async () => {
      test.log.announcements = 'keep';
      await test.log.append('news', [{ key: 'a', data: '4' }]);
      await settle();
      expect(test.hub.stream('news').tail.last).to.equal(3);
      expect(await verdict('a', { seq: 4 })).to.deep.equal(RECOVERED);
      expect(await verdict('a', { seq: 5 })).to.deep.equal(lost('ahead'));
    });
  });

  describe('of what only the log holds', () => {
    beforeEach(async () => {
      test = await TestHub.start({
        streams: STREAMS.map((stream) => ({ ...stream, maxMessages: 100 })),
        limits: { windowBytes: 2_000 },
      });
      for (let n = 0; n < 5; n++) await test.publishMany(60, 'news:a', 'news:b', 'news:b');
      test.log.calls.length = 0;
    });

    it('is recovered from where the log begins, and "trimmed" before it', async () => {
      const { first } = await test.log.check('news', 0);
      expect(first).to.be.greaterThan(100);
      test.log.calls.length = 0;
      expect(await verdict('a', { seq: first - 1 })).to.deep.equal(RECOVERED);
      expect(await verdict('a', { seq: first - 2 })).to.deep.equal(lost('trimmed'));
      expect(await verdict('*', { seq: 0 })).to.deep.equal(lost('trimmed'));
      expect(test.log.calls).to.have.length(3);
    });

    it('is recovered without asking up to where the window begins', async () => {
      const first = test.hub.stream('news').tail.window.first!;
      expect(await verdict('*', { seq: first - 1 })).to.deep.equal(RECOVERED);
      expect(test.log.calls).to.deep.equal([]);
      expect(await verdict('*', { seq: first - 2 })).to.deep.equal(RECOVERED);
      expect(test.log.calls).to.have.length(1);
    });

    it('is recovered without asking where the topic has had nothing since', async () => {
      await test.publish('news:seldom');
      await test.publishMany(400, 'news:a');
      test.log.calls.length = 0;
      expect(await verdict('seldom', { seq: 301 })).to.deep.equal(RECOVERED);
      expect(await verdict('seldom', { seq: 350 })).to.deep.equal(RECOVERED);
      expect(test.log.calls).to.deep.equal([]);
      expect(await verdict('seldom', { seq: 300 })).to.deep.equal(lost('trimmed'));
    });

    it('is "epoch_changed" where the log is already in another life', async () => {
      const position = { epoch: epoch(), seq: 100 };
      await test.log.rotate('news', epoch());
      expect(await verdict('a', position)).to.deep.equal(lost('epoch_changed'));
    });

    it('is not given where the log cannot be asked', async () => {
      test.log.failures.set('check', new Error('out of reach'));
      const given = await verdict('a', { seq: 250 }).catch((error: Error) => error.message);
      expect(given).to.equal('out of reach');
    });
  });

  it('is "trimmed" for a key whose last value has ended since, on a node that saw it and on one that did not', async () => {
    const streams = STREAMS.map((stream) => ({ ...stream, maxAgeMs: 200, maxMessages: 1_000 }));
    const limits = { topCheckMs: 20, windowBytes: 1 };
    test = await TestHub.start({ streams, limits });
    await test.publishMany(4, 'news:a');
    await test.publishMany(2, 'news:b');
    const { tail } = test.hub.stream('news');
    await until('the values have ended', () => tail.lastValues.size === 0);
    const other = new Hub({ streams, log: test.log, logger: silentLogger, limits: { ...LIMITS, ...limits } });
    other.start();
    try {
      await other.whenLive();
      await test.publish('news:c');
      for (const hub of [test.hub, other]) {
        const since = (key: string, seq: number) =>
          judge(
            hub.stream('news').tail,
            key,
            { epoch: epoch(), seq },
            {
              tops: new LogTops(test.log),
              maxMessages: 1_000,
            },
          );
        expect(await since('a', 3)).to.deep.equal(lost('trimmed'));
        expect(await since('never', 3)).to.deep.equal(lost('trimmed'));
        expect(await since('a', 6)).to.include(RECOVERED);
      }
    } finally {
      other.stop();
    }
  });

  it('is "trimmed" for a key whose messages were lost before the node had them', async () => {
    test = await TestHub.start({ streams: STREAMS.map((stream) => ({ ...stream, maxMessages: 10 })) });
    await test.publishMany(2, 'news:a');
    test.log.announcements = 'drop';
    test.log.follower.interrupted();
    await test.log.append('news', [{ key: 'a', data: '"never seen here"' }]);
    for (let n = 0; n < 60; n++) await test.log.append('news', [{ key: 'b', data: String(n) }]);
    await settle();
    test.log.follower.resumed();
    await test.reached('news', 63);

    expect(test.hub.counters.lostMessages).to.be.greaterThan(0);
    expect(await verdict('a', { seq: 2 })).to.deep.equal(lost('trimmed'));
  });
});
