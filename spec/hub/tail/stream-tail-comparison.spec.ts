import { expect } from 'chai';
import type { TailCounters } from '../../../server/hub/counters.js';
import type { StreamTail } from '../../../server/hub/tail/stream-tail.js';
import { upTo } from '../../support/range.js';
import { until } from '../../support/wait.js';
import { ModelLog } from '../model-log.js';
import { ControlledLog, Gate, settle } from '../support.js';
import { type Ear, emptyLog, RETENTION, startTail, tailHelpers } from './followed-tail.js';

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

  describe('when messages were trimmed before it had them', () => {
    const trimmed = async () => {
      log = new ControlledLog({ streams: new Map([['news', { ...RETENTION, maxMessages: 10 }]]) });
      await follow();
      await append(2);
      await heard(2);
      log.announcements = 'drop';
      log.follower.interrupted();
      await append(1, 'seldom');
      await append(60);
      await settle();
      log.announcements = 'pass';
      log.follower.resumed();
      await tail.whenLive();
    };

    it('announces them as lost, once, and continues after them', async () => {
      await trimmed();
      const { first } = await log.check('news', 0);

      expect(ear.losses).to.deep.equal([{ from: 3, to: first - 1, reason: 'trimmed' }]);
      expect(ear.seqs).to.deep.equal([1, 2, ...upTo(63, first)]);
      expect(counters.lostMessages).to.equal(first - 3);
      expect(tail.window.first).to.equal(first);
      await append(1);
      await heard(64);
    });

    it('has the last value of a key all of whose messages were lost', async () => {
      await trimmed();
      expect((await log.lastValues('news')).map(({ key }) => key)).to.deep.equal(['seldom', 'k']);
      expect(tail.lastValues.get('seldom')?.seq).to.equal(3);
    });
  });

  it('delivers once what is announced while it compares itself with the log, live as it is', async () => {
    await follow();
    log.announcements = 'keep';
    await append(3);
    await settle();
    const gate = new Gate();
    log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
    const reached = tail.reach(3);
    await gate.reached('the log is read');
    log.announceKept();
    gate.open();
    await reached;
    await settle();

    expect(ear.seqs).to.deep.equal([1, 2, 3]);
  });

  it('does not take a message that came in while the log was asked for one that the log has lost', async () => {
    await follow();
    await append(1);
    await heard(1);
    const { epoch } = tail;
    const gate = new Gate();
    log.beforeAnswer = (call) => (call === 'check' ? gate.pass() : undefined);
    log.follower.resumed();
    await gate.reached('the log is asked');
    await append(2);
    await settle();
    gate.open();
    await heard(3);
    await settle();

    expect(ear.epochChanges).to.deep.equal([]);
    expect(counters).to.include({ epochRotations: 0, epochChanges: 0 });
    expect(tail.epoch).to.equal(epoch);
    expect(ear.seqs).to.deep.equal([1, 2, 3]);
  });

  it('waits for a seq that the log is known to have, and asks the log when no announcement comes', async () => {
    await follow();
    log.announcements = 'drop';
    await append(2);
    await tail.reach(2);
    expect(ear.seqs).to.deep.equal([1, 2]);
  });

  it('is not live, asks nothing and tells nothing when it was stopped', async () => {
    await follow({ topCheckMs: 20 });
    tail.stop();
    expect(tail.live).to.equal(false);
    log.follower.resumed();
    await append(2);
    await settle();
    expect(ear.messages).to.deep.equal([]);
    expect(tail.live).to.equal(false);
  });

  describe('of a log that several servers hold in turn', () => {
    let model: ModelLog;
    let server: string;

    beforeEach(async () => {
      model = new ModelLog(['news']);
      server = 'one';
      const check = model.check.bind(model);
      model.check = async (name, seq) => ({ ...(await check(name, seq)), server });
      model.announce = (batch) => model.listener?.batch({ ...batch, server });
      log = Object.assign(model, { calls: [] }) as unknown as ControlledLog;
      await follow();
      await append(20);
      await heard(20);
    });

    it('compares itself with another server before it takes anything from it', async () => {
      model.rollBack('news', 5);
      server = 'two';
      // Seqs 16 to 20 a second time, which were had from the other one, and one that seems to continue them.
      await append(6);
      await until('the loss is told', () => ear.epochChanges.length === 1);
      expect(ear.seqs).to.deep.equal(upTo(20));
      expect(counters.epochRotations).to.equal(1);
      await until('it has all of the new one', () => tail.last === 21);
      await append(2);
      await heard(23);
      expect(ear.seqs.slice(20)).to.deep.equal([22, 23]);
    });

    it('continues silently if the other one has everything', async () => {
      server = 'two';
      await append(3);
      await heard(23);
      expect(ear.seqs).to.deep.equal(upTo(23));
      expect(ear.epochChanges).to.deep.equal([]);
    });
  });
});
