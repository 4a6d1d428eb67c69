import { expect } from 'chai';
import type { TailCounters } from '../../../server/hub/counters.js';
import type { StreamTail } from '../../../server/hub/tail/stream-tail.js';
import type { LogBatch } from '../../../server/log/stream-log.js';
import { upTo } from '../../support/range.js';
import { until } from '../../support/wait.js';
import { type ControlledLog, Gate, settle } from '../support.js';
import { type Ear, emptyLog, startTail, tailHelpers } from './followed-tail.js';

describe('The tail of a stream', () => {
  let log: ControlledLog;
  let ear: Ear;
  let tail: StreamTail;
  let counters: TailCounters;
  const { append, heard } = tailHelpers(() => ({ log, ear, tail }));

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

  describe('when its subscription is interrupted', () => {
    beforeEach(async () => {
      await follow();
      await append(2);
      await heard(2);
    });

    it('is not live until the subscription is back, and then has what was missed', async () => {
      log.announcements = 'drop';
      log.follower.interrupted();
      expect(tail.live).to.equal(false);
      await append(3);
      await settle();
      expect(ear.seqs).to.deep.equal([1, 2]);

      log.announcements = 'pass';
      log.follower.resumed();
      await tail.whenLive();
      expect(ear.seqs).to.deep.equal(upTo(5));
      await append(1);
      await heard(6);
    });

    it('holds what is announced while it catches up, and delivers it once', async () => {
      log.announcements = 'drop';
      log.follower.interrupted();
      await append(3);
      await settle();
      log.announcements = 'pass';
      const gate = new Gate();
      log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
      log.follower.resumed();
      await gate.reached('the log is read');
      await append(4);
      await settle();
      expect(ear.seqs).to.deep.equal([1, 2]);
      gate.open();
      await tail.whenLive();

      expect(ear.seqs).to.deep.equal(upTo(9));
    });

    it('asks the log again when what it held does not continue what it read', async () => {
      log.follower.interrupted();
      const gate = new Gate();
      log.beforeAnswer = (call) => (call === 'check' ? gate.pass() : undefined);
      log.follower.resumed();
      await gate.reached('the log is asked');
      log.announcements = 'drop';
      await append(1);
      await settle();
      log.announcements = 'pass';
      await append(1);
      await settle();
      gate.open();
      await tail.whenLive();

      expect(ear.seqs).to.deep.equal(upTo(4));
    });

    it('delivers what was announced during the interruption after all', async () => {
      log.follower.interrupted();
      await append(2);
      await settle();
      expect(ear.seqs).to.deep.equal([1, 2]);
      log.follower.resumed();
      await tail.whenLive();
      expect(ear.seqs).to.deep.equal(upTo(4));
    });

    it('stays not live when the interruption comes while it catches up', async () => {
      log.announcements = 'drop';
      log.follower.interrupted();
      const gate = new Gate();
      log.beforeAnswer = (call) => (call === 'check' ? gate.pass() : undefined);
      log.follower.resumed();
      await gate.reached('the log is checked');
      log.follower.interrupted();
      gate.open();
      await settle();

      expect(tail.live, 'live without announcements').to.equal(false);
    });

    it('bounds what it holds, and reads from the log what it had to drop', async () => {
      log.announcements = 'drop';
      log.follower.interrupted();
      const gate = new Gate();
      log.beforeAnswer = (call) => (call === 'check' ? gate.pass() : undefined);
      log.follower.resumed();
      await gate.reached('the log is asked before it has them: were they all held, they would not be read');
      await log.append(
        'news',
        Array.from({ length: 25_000 }, (_, n) => ({ key: 'k', data: String(n) })),
      );
      const entries = await log.range('news', 3, 25_002, 25_000);
      const batch = (from: number, to: number): LogBatch => ({
        stream: 'news',
        epoch: tail.epoch,
        first: from,
        time: entries[0]!.time,
        keys: entries.slice(from - 3, to - 2).map(({ key }) => key),
        data: entries.slice(from - 3, to - 2).map(({ data }) => data),
      });
      for (let from = 3; from <= 25_002; from += 1_000) tail.batch(batch(from, Math.min(from + 999, 25_002)));
      log.calls.length = 0;
      gate.open();
      await tail.whenLive();

      expect(ear.seqs).to.deep.equal(upTo(25_002));
      expect(log.countOf('range')).to.be.greaterThan(0);
    });
  });

  describe('when the log cannot be read', () => {
    it('tries again until it can, and loses nothing', async () => {
      await follow();
      await append(1);
      await heard(1);
      log.announcements = 'drop';
      log.failures.set('check', new Error('out of reach'));
      log.follower.interrupted();
      await append(3);
      log.follower.resumed();
      await until('it has tried twice', () => log.countOf('check') >= 2);
      expect(tail.live).to.equal(false);
      expect(ear.seqs).to.deep.equal([1]);

      log.failures.clear();
      await tail.whenLive();
      expect(ear.seqs).to.deep.equal(upTo(4));
      expect(counters).to.include({ epochChanges: 0, epochRotations: 0 });
    });

    it('waits longer from failure to failure', async () => {
      await follow();
      log.failures.set('check', new Error('out of reach'));
      const times: number[] = [];
      log.beforeAnswer = () => void times.push(performance.now());
      log.follower.resumed();
      await until('it has tried five times', () => times.length >= 5);

      const waits = times.slice(1).map((time, i) => time - times[i]!);
      // 50 ms doubled each time, between a half and the whole of it.
      waits.forEach((wait, i) => {
        expect(wait, `wait ${i + 1} of ${waits}`).to.be.greaterThan(25 * 2 ** i - 5);
      });
    });

    it('does not take a failed check of the top for anything', async () => {
      await follow({ topCheckMs: 20 });
      log.failures.set('check', new Error('out of reach'));
      await until('it has looked', () => log.countOf('check') >= 2);
      expect(tail.live).to.equal(true);
      await append(1);
      await heard(1);
    });
  });
});
