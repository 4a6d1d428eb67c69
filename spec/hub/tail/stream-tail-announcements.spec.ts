import { expect } from 'chai';
import type { TailCounters } from '../../../server/hub/counters.js';
import type { StreamMessage } from '../../../server/hub/tail/stream-message.js';
import type { StreamTail } from '../../../server/hub/tail/stream-tail.js';
import { upTo } from '../../support/range.js';
import { until } from '../../support/wait.js';
import { type ControlledLog, Gate, settle } from '../support.js';
import { type Ear, emptyLog, startTail, tailHelpers } from './followed-tail.js';

describe('The tail of a stream', () => {
  let log: ControlledLog;
  let ear: Ear;
  let tail: StreamTail;
  let counters: TailCounters;
  const { append, batchOf, heard } = tailHelpers(() => ({ log, ear, tail }));

  /** A tail that follows the log and is live. */
  async function follow(options: Parameters<typeof startTail>[1] = {}): Promise<void> {
    ({ ear, tail, counters } = startTail(log, options));
    await tail.whenLive();
    log.calls.length = 0;
  }

  beforeEach(() => {
    log = emptyLog();
  });

  afterEach(async () => {
    tail.stop();
    await log.close();
  });

  describe('when it starts', () => {
    it('gives an empty log its first epoch and is at its beginning', async () => {
      await follow();
      expect(tail.epoch).to.equal((await log.check('news', 0)).epoch);
      expect(tail).to.include({ last: 0, live: true });
      expect(ear.epochChanges).to.deep.equal([]);
    });

    it('takes the top and the last values of a log that has messages, and delivers none of them', async () => {
      await append(3, 'a');
      await append(2, 'b');
      await follow();

      expect(tail).to.include({ last: 5, live: true });
      expect([...tail.lastValues].map(([key, { seq }]) => [key, seq])).to.deep.equal([
        ['a', 3],
        ['b', 5],
      ]);
      expect(ear.messages).to.deep.equal([]);
      await append(1);
      await heard(6);
      expect(ear.seqs).to.deep.equal([6]);
    });

    for (const announced of [true, false]) {
      it(`misses nothing that is appended while it reads the log, ${announced ? '' : 'not '}announced`, async () => {
        await append(2);
        const gate = new Gate();
        log.beforeAnswer = (call) => (call === 'lastValues' ? gate.pass() : undefined);
        const live = follow();
        await gate.reached('the last values are read');
        if (!announced) log.announcements = 'drop';
        await append(3);
        await settle();
        gate.open();
        await live;

        expect(tail.last).to.equal(5);
        expect(ear.seqs).to.deep.equal([3, 4, 5]);
      });
    }
  });

  describe('while announcements arrive', () => {
    beforeEach(() => follow());

    it('delivers them in order, with their data, without asking the log', async () => {
      await log.append('news', [
        { key: 'a', data: '"x"' },
        { key: 'b', data: '2' },
      ]);
      await append(3);
      await heard(5);

      expect(ear.seqs).to.deep.equal(upTo(5));
      const [first] = ear.messages as [StreamMessage];
      expect(JSON.parse(first.text)).to.deep.equal({
        topic: 'news:a',
        seq: 1,
        time: first.time,
        data: 'x',
      });
      expect(tail.lastValues.get('b')?.seq).to.equal(2);
      expect(tail.window.slice(1, 10).map(({ seq }) => seq)).to.deep.equal(upTo(5));
      expect(log.calls).to.deep.equal([]);
    });

    it('drops what it has delivered already', async () => {
      await append(4);
      await heard(4);
      tail.batch(await batchOf(2, 3));
      tail.batch(await batchOf(4, 4));
      await settle();

      expect(ear.seqs).to.deep.equal(upTo(4));
      expect(tail).to.include({ last: 4, live: true });
      expect(log.calls).to.deep.equal([]);
    });

    it('delivers the new part of a batch that overlaps what it has', async () => {
      log.announcements = 'drop';
      await append(6);
      await settle();
      tail.batch(await batchOf(1, 3));
      tail.batch(await batchOf(2, 6));

      expect(ear.seqs).to.deep.equal(upTo(6));
      expect(log.calls).to.deep.equal([]);
    });
  });

  describe('when an announcement was lost', () => {
    it('fills the gap from the log, once and in order', async () => {
      await follow();
      await append(2);
      await heard(2);
      log.announcements = 'drop';
      await append(5);
      await settle();
      log.announcements = 'pass';
      const gate = new Gate();
      log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
      await append(1);
      await gate.reached('the gap is read');
      await append(3);
      await settle();
      gate.open();
      await heard(11);

      expect(ear.seqs).to.deep.equal(upTo(11));
      expect(counters.gapFills).to.be.at.least(1);
      expect(log.calls.filter((call) => call.startsWith('range')).join()).to.match(/^range news 3 /);
      const read = log.calls.filter((call) => call.startsWith('range')).map((call) => call.split(' ')[2]);
      expect(new Set(read).size, 'nothing is read twice').to.equal(read.length);
    });

    it('fills a gap that is longer than a page of the log', async () => {
      await follow();
      log.announcements = 'drop';
      await log.append(
        'news',
        Array.from({ length: 1_300 }, (_, n) => ({ key: 'k', data: String(n) })),
      );
      await settle();
      log.announcements = 'pass';
      await append(1);
      await heard(1_301);

      expect(ear.seqs).to.deep.equal(upTo(1_301));
      expect(log.countOf('range')).to.equal(3);
    });

    it('finds the loss of the last message by comparing itself with the top of the log', async () => {
      await follow({ topCheckMs: 20 });
      await append(1);
      await heard(1);
      log.announcements = 'drop';
      await append(2);
      await heard(3);

      expect(ear.seqs).to.deep.equal(upTo(3));
      await until('it is live again', () => tail.live);
      expect(counters).to.include({ epochChanges: 0, epochRotations: 0, lostMessages: 0 });
    });

    it('treats a top that is ahead as an announcement on its way, if it arrives soon', async () => {
      await follow({ topCheckMs: 20 });
      log.announcements = 'keep';
      await append(2);
      await until('the top was compared', () => log.countOf('check') > 0);
      log.announceKept();
      await until('the top was compared again', () => log.countOf('check') > 2);

      expect(ear.seqs).to.deep.equal([1, 2]);
      expect(log.countOf('range')).to.equal(0);
      expect(counters.gapFills).to.equal(0);
    });
  });
});
