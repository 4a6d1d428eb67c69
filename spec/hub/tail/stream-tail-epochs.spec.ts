import { expect } from 'chai';
import type { TailCounters } from '../../../server/hub/counters.js';
import type { StreamTail } from '../../../server/hub/tail/stream-tail.js';
import { until } from '../../support/wait.js';
import type { ControlledLog } from '../support.js';
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

  describe('when the log has begun a new life', () => {
    it('announces the new epoch after a rotation by somebody else, and follows it', async () => {
      await follow();
      await append(3);
      await heard(3);
      const epoch = await log.rotate('news', tail.epoch);
      await append(1, 'other');
      await until('the epoch has changed', () => ear.epochChanges.length === 1);
      await tail.whenLive();

      expect(tail).to.include({ epoch, last: 4 });
      expect([...tail.lastValues.keys()].sort()).to.deep.equal(['k', 'other']);
      expect(counters).to.include({ epochChanges: 1, epochRotations: 0 });
      expect(ear.losses).to.deep.equal([]);
      await append(1);
      await heard(5);
      expect(ear.seqs.slice(ear.epochChanges[0])).to.deep.equal([5]);
    });

    it('rotates the epoch when the log holds another message under its own last seq', async () => {
      await follow();
      await append(3);
      await heard(3);
      const { epoch } = tail;
      log.changeTop = (top) =>
        top.epoch === epoch && top.own !== null ? { ...top, own: { ...top.own, data: '"other"' } } : top;
      log.follower.resumed();
      await until('the epoch has changed', () => ear.epochChanges.length === 1);
      await tail.whenLive();

      expect(tail.epoch).not.to.equal(epoch);
      expect((await log.check('news', 0)).epoch).to.equal(tail.epoch);
      expect(counters).to.include({ epochChanges: 1, epochRotations: 1 });
    });

    it('rotates the epoch when the log does not reach its last message any more', async () => {
      await follow({ topCheckMs: 20 });
      await append(3);
      await heard(3);
      const { epoch } = tail;
      log.changeTop = (top) =>
        top.epoch === epoch ? { ...top, top: 2, own: null, oldest: 0, ended: 0 } : top;
      await until('the epoch has changed', () => ear.epochChanges.length === 1);
      await tail.whenLive();

      expect(tail.epoch).not.to.equal(epoch);
      expect(counters).to.include({ epochChanges: 1, epochRotations: 1 });
      expect(log.countOf('rotate')).to.equal(1);
    });

    it('rotates the epoch when the log does not hold what it had announced while the tail caught up', async () => {
      await follow();
      await append(3);
      await heard(3);
      const { epoch } = tail;
      log.follower.interrupted();
      tail.batch({ stream: 'news', epoch, first: 9, time: 1, keys: ['k'], data: ['9'] });
      log.follower.resumed();
      await tail.whenLive();

      expect(tail.epoch).not.to.equal(epoch);
      expect(counters).to.include({ epochChanges: 1, epochRotations: 1 });
      await append(1);
      await heard(4);
    });

    it('drops what the old life announced while the tail caught up, and becomes live', async () => {
      await follow();
      await append(3);
      await heard(3);
      const { epoch } = tail;
      log.follower.interrupted();
      tail.batch({ stream: 'news', epoch, first: 4, time: 1, keys: ['k'], data: ['4'] });
      const next = await log.rotate('news', epoch);
      log.calls.length = 0;
      log.follower.resumed();
      await tail.whenLive();

      expect(tail).to.include({ epoch: next, last: 3 });
      expect(log.countOf('check')).to.be.below(5);
      await append(1);
      await heard(4);
      expect(ear.seqs).to.deep.equal([1, 2, 3, 4]);
    });

    it('does not rotate because its last message was trimmed, or because it has none', async () => {
      await follow({ topCheckMs: 20 });
      await append(2);
      await heard(2);
      log.changeTop = (top) => ({ ...top, first: 3, own: null, oldest: 0, ended: 0 });
      log.calls.length = 0;
      await until('it has looked twice', () => log.countOf('check') >= 2);
      expect(counters).to.include({ epochChanges: 0, epochRotations: 0 });
      expect(tail.live).to.equal(true);
    });

    it('keeps nothing of the old life', async () => {
      await follow();
      await append(5);
      await heard(5);
      log.check = async () => ({ epoch: 'newlife', top: 1, first: 1, own: null, oldest: 0, ended: 0 });
      log.lastValues = async () => [{ seq: 1, time: 1, key: 'new', data: '1' }];
      log.follower.resumed();
      await until('the epoch has changed', () => ear.epochChanges.length === 1);

      expect(tail).to.include({ epoch: 'newlife', last: 1 });
      expect([...tail.lastValues.keys()]).to.deep.equal(['new']);
      expect(tail.window).to.include({ size: 0, first: undefined });
    });

    it('resolves what waits for a seq that the old life had', async () => {
      await follow();
      await append(1);
      await heard(1);
      const reached = tail.reach(50);
      await log.rotate('news', tail.epoch);
      await append(1);
      await reached;
      expect(ear.epochChanges).to.have.length(1);
    });
  });
});
