import { expect } from 'chai';
import { HubError } from '../../../server/errors.js';
import { readHistory } from '../../../server/hub/operations/history.js';
import { until } from '../../support/wait.js';
import { failureOf, Gate, STREAMS, TestHub } from '../support.js';

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe('The history of a topic', () => {
  let test: TestHub;

  afterEach(() => test.stop());

  const read = async (topic: string, request: { since?: string; limit?: number } = {}) => {
    const { messages, ...rest } = await readHistory(test.hub, { topic, ...request });
    return { ...rest, seqs: messages.map(({ seq }) => seq) };
  };

  describe('within the window', () => {
    beforeEach(async () => {
      test = await TestHub.start();
      await test.publishMany(10, 'news:a', 'news:b');
    });

    it('has its newest messages, ascending', async () => {
      const cursor = test.cursor('news', 10);
      expect(await read('news:a', { limit: 2 })).to.deep.equal({
        topic: 'news:a',
        seqs: [7, 9],
        cursor,
        more: false,
      });
      expect(await read('news:*', { limit: 3 })).to.deep.equal({
        topic: 'news:*',
        seqs: [8, 9, 10],
        cursor,
        more: false,
      });
      expect((await read('news:a')).seqs).to.deep.equal([1, 3, 5, 7, 9]);
      expect((await read('news:unheard')).seqs).to.deep.equal([]);
    });

    it('has a hundred messages where nobody says how many', async () => {
      await test.publishMany(150, 'news:c');
      expect((await read('news:c')).seqs).to.deep.equal(upTo(160, 61));
      expect((await read('news:c', { since: test.cursor('news', 0) })).seqs).to.have.length(100);
    });

    it('continues from a cursor, page by page, to the end', async () => {
      const seqs: number[][] = [];
      let since = test.cursor('news', 0);
      for (let page = 0; page < 5; page++) {
        const history = await read('news:a', { since, limit: 2 });
        expect(history.recovered).to.equal(true);
        seqs.push(history.seqs);
        since = history.cursor;
        if (!history.more) break;
      }
      expect(seqs.flat()).to.deep.equal([1, 3, 5, 7, 9]);
      expect(since).to.equal(test.cursor('news', 10));
      expect(await read('news:a', { since })).to.deep.include({ seqs: [], more: false, cursor: since });
    });

    it('uses of a cursor the position in its own stream', async () => {
      const since = `${test.cursor('market', 0)}~${test.cursor('news', 8)}`;
      expect((await read('news:*', { since })).seqs).to.deep.equal([9, 10]);
    });

    it('has the newest messages and says why, where the cursor cannot be gone on from', async () => {
      for (const [since, reason] of [
        ['news.older.4', 'epoch_changed'],
        [test.cursor('news', 99), 'ahead'],
        [test.cursor('market', 0), 'no_position'],
        ['-', 'no_position'],
      ] as const) {
        expect(await read('news:a', { since, limit: 1 }), since).to.deep.equal({
          topic: 'news:a',
          seqs: [9],
          cursor: test.cursor('news', 10),
          more: false,
          recovered: false,
          reason,
        });
      }
    });
  });

  describe('beyond the window', () => {
    it('comes from the log, and on into the window', async () => {
      test = await TestHub.start({ limits: { windowBytes: 20_000 } });
      await test.publishMany(1_200, 'news:a', 'news:b', 'news:c');
      const all: number[] = [];
      let since = test.cursor('news', 10);
      for (let more = true; more; ) {
        const history = await read('news:b', { since, limit: 150 });
        all.push(...history.seqs);
        ({ more, cursor: since } = history);
      }
      expect(all).to.deep.equal(upTo(1_200, 11).filter((seq) => seq % 3 === 2));
    });

    it('is "trimmed" where the log has forgotten some of it', async () => {
      test = await TestHub.start({
        streams: STREAMS.map((stream) => ({ ...stream, maxMessages: 20 })),
        limits: { windowBytes: 0 },
      });
      for (let n = 0; n < 10; n++) await test.publishMany(10, 'news:a');
      expect(await read('news:a', { since: test.cursor('news', 5), limit: 2 })).to.deep.include({
        seqs: [99, 100],
        recovered: false,
        reason: 'trimmed',
      });
    });

    it('does not walk through the log for a topic that had nothing since', async () => {
      test = await TestHub.start({ limits: { windowBytes: 0 } });
      await test.publish('news:quiet');
      await test.publishMany(3_000, 'news:busy');
      test.log.calls.length = 0;
      const history = await read('news:quiet', { since: test.cursor('news', 1) });
      expect(history).to.deep.include({
        seqs: [],
        more: false,
        recovered: true,
        cursor: test.cursor('news', 3_001),
      });
      expect(test.log.countOf('range'), 'reads of the log').to.equal(0);
    });

    it('has a cursor that leaves out nothing that came while it was read', async () => {
      test = await TestHub.start({ limits: { windowBytes: 0 } });
      await test.publishMany(20, 'news:a');
      const gate = new Gate();
      test.log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
      const reading = read('news:a', { limit: 5 });
      await gate.reached('the log is read');
      await test.publish('news:a');
      gate.open();
      const history = await reading;
      expect(history.seqs).to.deep.equal(upTo(20, 16));
      expect((await read('news:a', { since: history.cursor })).seqs).to.deep.equal([21]);
    });

    it('ends when the log begins a new life while it is read', async () => {
      test = await TestHub.start({ limits: { windowBytes: 0 } });
      await test.publishMany(1_200, 'news:a');
      const { tail } = test.hub.stream('news');
      const { epoch } = tail;
      const gate = new Gate();
      test.log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
      const { recovery } = test.hub;
      const readStretch = recovery.messagesAfter.bind(recovery);
      let reads = 0;
      recovery.messagesAfter = (...args) => {
        reads += 1;
        // A walk without end would never give way to this spec.
        if (reads > 50) throw new Error('it reads the log over and over');
        return readStretch(...args);
      };
      // Nothing of this topic is in the log, so only the end of the stream ends the walk.
      tail.lastValues.set('b', tail.lastValues.get('a')!);
      const reading = failureOf(() => read('news:b', { since: `news.${epoch}.1`, limit: 5 }));
      await gate.reached('the log is read');
      test.log.check = async () => ({ epoch: 'newlife', top: 2, first: 1, own: null, oldest: 0, ended: 0 });
      test.log.lastValues = async () => [{ seq: 2, time: 1, key: 'a', data: '"new"' }];
      test.log.follower.resumed();
      await until('the hub has noticed', () => tail.epoch !== epoch);
      gate.open();
      expect(await reading).to.equal(undefined);
    });
  });

  describe('is refused', () => {
    beforeEach(async () => {
      test = await TestHub.start();
    });

    it('for an invalid topic or cursor', async () => {
      for (const [topic, since, code, field] of [
        ['news', undefined, 'bad_topic', 'topic'],
        ['sport:a', undefined, 'unknown_stream', 'topic'],
        ['news:a', 'nonsense', 'bad_cursor', 'since'],
      ] as const) {
        const error = await failureOf(() => read(topic, since === undefined ? {} : { since }));
        expect(error).to.be.instanceOf(HubError);
        expect(error).to.include({ code, field });
      }
    });
  });
});
