import type { NotRecovered } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import type { TailCounters } from '../../../server/hub/counters.js';
import type { StreamMessage } from '../../../server/hub/tail/stream-message.js';
import { StreamTail } from '../../../server/hub/tail/stream-tail.js';
import type { TailListener, TailPosition } from '../../../server/hub/tail/tail-ports.js';
import type { LogBatch, LogListener } from '../../../server/log/stream-log.js';
import { silentLogger } from '../../../server/logger.js';
import { until } from '../../support/wait.js';
import { ModelLog } from '../model-log.js';
import { ControlledLog, Gate, settle } from '../support.js';

const RETENTION = { maxMessages: 100_000, maxAgeMs: 3_600_000, maxKeys: 1_000 };

/** Keeps what a tail tells. */
class Ear implements TailListener {
  readonly messages: StreamMessage[] = [];
  readonly losses: { from: number; to: number; reason: NotRecovered }[] = [];
  /** Messages that had been heard when the epoch changed. */
  readonly epochChanges: number[] = [];

  message(_: TailPosition, message: StreamMessage): void {
    this.messages.push(message);
  }

  lost(_: TailPosition, from: number, to: number, reason: NotRecovered): void {
    this.losses.push({ from, to, reason });
  }

  epochChanged(): void {
    this.epochChanges.push(this.messages.length);
  }

  get seqs(): number[] {
    return this.messages.map(({ seq }) => seq);
  }
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe('The tail of a stream', () => {
  let log: ControlledLog;
  let ear: Ear;
  let tail: StreamTail;
  let counters: TailCounters;

  /** A tail that follows the log and is live. */
  async function follow(options: { topCheckMs?: number; windowBytes?: number } = {}): Promise<void> {
    const { topCheckMs = 60_000, windowBytes = 1_000_000 } = options;
    ear = new Ear();
    counters = { gapFills: 0, epochRotations: 0, epochChanges: 0, lostMessages: 0 };
    tail = new StreamTail({
      stream: 'news',
      log,
      listener: ear,
      logger: silentLogger,
      counters,
      windowBytes,
      topCheckMs,
    });
    const listener: LogListener = {
      batch: (batch) => tail.batch(batch),
      interrupted: () => tail.interrupted(),
      resumed: () => tail.resumed(),
    };
    log.follow(listener);
    tail.start();
    await tail.whenLive();
    log.calls.length = 0;
  }

  async function append(count: number, key = 'k'): Promise<void> {
    for (let n = 0; n < count; n++) await log.append('news', [{ key, data: String(n) }]);
  }

  /** A batch as the log would announce it. */
  async function batchOf(first: number, last: number): Promise<LogBatch> {
    const entries = await log.range('news', first, last, 1_000);
    log.calls.length = 0;
    return {
      stream: 'news',
      epoch: tail.epoch,
      first,
      time: entries[0]?.time ?? 0,
      keys: entries.map(({ key }) => key),
      data: entries.map(({ data }) => data),
    };
  }

  const heard = (seq: number) =>
    until(`message ${seq} is heard`, () => ear.seqs.includes(seq), { instead: () => ear.seqs });

  beforeEach(() => {
    log = new ControlledLog({ streams: new Map([['news', RETENTION]]) });
  });

  afterEach(async () => {
    tail.stop();
    await log.close();
  });

  describe('when it starts', () => {
    it('gives an empty log its first epoch and stands at its beginning', async () => {
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

  describe('while announcements come', () => {
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

    it('takes a top that is ahead for an announcement on its way, while it comes soon', async () => {
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

    it('bounds what it holds, and reads from the log what it had to let go', async () => {
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
      log.changeTop = (top) => (top.epoch === epoch ? { ...top, top: 2, own: null } : top);
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
      log.changeTop = (top) => ({ ...top, first: 3, own: null });
      log.calls.length = 0;
      await until('it has looked twice', () => log.countOf('check') >= 2);
      expect(counters).to.include({ epochChanges: 0, epochRotations: 0 });
      expect(tail.live).to.equal(true);
    });

    it('keeps nothing of the old life', async () => {
      await follow();
      await append(5);
      await heard(5);
      log.check = async () => ({ epoch: 'newlife', top: 1, first: 1, own: null });
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

    it('announces them as lost, once, and goes on after them', async () => {
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

    it('goes on without a word where the other one has everything', async () => {
      server = 'two';
      await append(3);
      await heard(23);
      expect(ear.seqs).to.deep.equal(upTo(23));
      expect(ear.epochChanges).to.deep.equal([]);
    });
  });
});
