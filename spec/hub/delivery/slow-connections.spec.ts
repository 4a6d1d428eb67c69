import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { SubscribeRequest } from '@axiom-streaming/protocol/requests';
import { expect } from 'chai';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import { subscribe } from '../../../server/hub/operations/subscribe.js';
import { unsubscribe } from '../../../server/hub/operations/unsubscribe.js';
import { FakeClock } from '../fake-clock.js';
import { planned, type RecordingSink, seqIn, settle, TestHub } from '../support.js';

const BUDGET = 65_536;

describe('A connection that is above its budget', () => {
  let test: TestHub;
  let clock: FakeClock;
  let sink: RecordingSink;
  let subscriber: Subscriber;

  beforeEach(async () => {
    clock = new FakeClock();
    test = await TestHub.start({ clock, limits: { connectionBudgetBytes: BUDGET } });
    ({ sink, subscriber } = test.connect());
  });

  afterEach(() => test.stop());

  async function read(topics: string[], request: Partial<SubscribeRequest> = {}) {
    await subscribe(test.hub, subscriber, { topics, ...request }, planned());
  }

  /** Its reader takes nothing any more, and the next write finds that out. */
  async function stall(topic: string): Promise<void> {
    sink.buffered = BUDGET + 1;
    await test.publish(topic);
    expect(subscriber.slow).to.equal(true);
    sink.events.length = 0;
    sink.messages.length = 0;
  }

  /** Its reader has taken everything. */
  function drain(): void {
    sink.buffered = 0;
    clock.advance(20);
    subscriber.flush();
  }

  const lines = () => sink.messages.map(({ seq, conflated }) => `${seq}+${conflated ?? '-'}`);
  const counts = (stream: string) => test.hub.stream(stream).fanout.counts;

  it('gets nothing until no more than a quarter of its budget waits', async () => {
    await read(['market:a']);
    await stall('market:a');
    await test.publishMany(3, 'market:a');
    for (const waiting of [BUDGET + 1, BUDGET, BUDGET / 2, BUDGET / 4 + 1]) {
      sink.buffered = waiting;
      clock.advance(100);
      subscriber.flush();
      expect(lines(), `${waiting} bytes wait`).to.deep.equal([]);
    }
    sink.buffered = BUDGET / 4;
    clock.advance(20);
    subscriber.flush();
    expect(lines()).to.deep.equal(['4+2']);
    expect(subscriber.slow).to.equal(false);
  });

  describe('with a stream of class "state"', () => {
    it('gets the newest value per key when it has caught up, with what was folded, and then everything', async () => {
      await read(['market:*']);
      await stall('market:a');
      await test.publishMany(6, 'market:a', 'market:b');
      await test.publish('market:c');
      drain();
      expect(lines()).to.deep.equal(['6+2', '7+2', '8+-']);
      await test.publishMany(2, 'market:a');
      expect(lines().slice(3)).to.deep.equal(['9+-', '10+-']);
      expect(counts('market')).to.deep.equal({ delivered: 6, conflated: 4, dropped: 0 });
      expect(test.hub.counters.slowConsumers).to.deep.equal({ conflated: 1, dropped: 0, closed: 0 });
    });

    it('has a cursor from which nothing is missed, at every moment of it', async () => {
      await read(['market:*']);
      await stall('market:a');
      await test.publishMany(5, 'market:a', 'market:b');
      expect(seqIn(subscriber.cursor(), 'market')).to.equal(1);
      drain();
      expect(sink.cursorSeqs('market')).to.deep.equal([2, 6]);
    });

    it('shares frames again when it has caught up', async () => {
      const other = test.connect();
      await subscribe(test.hub, other.subscriber, { topics: ['market:*'] }, planned());
      await read(['market:*']);
      await stall('market:a');
      await test.publish('market:a');
      drain();
      const buffers = new Set<Buffer>();
      for (const one of [sink, other.sink]) {
        one.write = (frames) => {
          buffers.add(frames.joined());
          return 0;
        };
      }
      await test.publish('market:a');
      expect(buffers.size).to.equal(1);
    });

    it('keeps the conflation that was asked for, and its rate', async () => {
      await read(['market:*'], { conflate: 'latest', maxRate: 1 });
      await stall('market:a');
      clock.advance(900);
      await test.publishMany(2, 'market:a');
      clock.advance(60);
      drain();
      expect(lines()).to.deep.equal([]);
      clock.advance(100);
      subscriber.flush();
      expect(lines()).to.deep.equal(['3+1']);
    });

    it('is ended where even the newest values are more than may be kept', async () => {
      await read(['market:*']);
      await stall('market:a');
      await test.publishMany(600, ...Array.from({ length: 600 }, (_, i) => `market:k${i}`));
      await settle();
      expect(sink.closes).to.deep.equal([CLOSE.slow]);
    });
  });

  describe('with a stream of class "log"', () => {
    it('gets what arrived in the meantime once it has caught up, if that is not too much', async () => {
      await read(['news:a']);
      await stall('news:a');
      await test.publishMany(50, 'news:a', 'news:b');
      drain();
      expect(sink.seqs()).to.deep.equal(Array.from({ length: 25 }, (_, i) => 2 + 2 * i));
      expect(sink.gaps).to.deep.equal([]);
      await test.publish('news:a');
      expect(sink.seqs().at(-1)).to.equal(52);
    });

    it('loses the oldest beyond its budget, and is told which before the next message', async () => {
      await read(['news:*']);
      await stall('news:a');
      await test.publishMany(1_000, 'news:a');
      drain();
      while (subscriber.slow) drain();
      const { dropped } = counts('news');
      expect(dropped).to.be.within(600, 800);
      const [gap] = sink.gaps;
      expect(gap).to.deep.equal({
        stream: 'news',
        topics: ['news:*'],
        recovered: false,
        reason: 'slow',
        from: 2,
        to: dropped + 1,
        epoch: test.hub.stream('news').tail.epoch,
      });
      expect(sink.events[0]).to.equal('gap slow');
      expect(sink.seqs()).to.deep.equal(Array.from({ length: 1_000 - dropped }, (_, i) => dropped + 2 + i));
      expect(test.hub.counters.slowConsumers).to.deep.equal({ conflated: 0, dropped: 1, closed: 0 });
    });

    it('catches up step by step, and keeps to the order while more comes', async () => {
      await read(['news:a']);
      await stall('news:a');
      await test.publishMany(300, 'news:a');
      sink.onWrite = () => {
        sink.buffered += 300;
      };
      for (let round = 0; round < 100 && subscriber.slow; round++) {
        drain();
        expect(sink.buffered, 'what waits').to.be.at.most(BUDGET / 2);
        await test.publish('news:a');
      }
      expect(subscriber.slow).to.equal(false);
      const { last } = test.hub.stream('news').tail;
      expect(last).to.be.greaterThan(305);
      expect(sink.seqs()).to.deep.equal(Array.from({ length: last - 1 }, (_, i) => i + 2));
    });

    it('has a cursor from which nothing is missed, at every moment of it', async () => {
      await read(['news:*', 'market:a']);
      await stall('news:a');
      await test.publishMany(5, 'news:a');
      expect(seqIn(subscriber.cursor(), 'news')).to.equal(1);
      drain();
      expect(sink.cursorSeqs('news')).to.deep.equal([2, 3, 4, 5, 6]);
    });

    it('loses nothing where it subscribes to more of the stream meanwhile', async () => {
      await read(['news:a']);
      await stall('news:a');
      await test.publishMany(10, 'news:a', 'news:b');
      sink.buffered = BUDGET / 4;
      await read(['news:b']);
      await test.publishMany(2, 'news:a', 'news:b');
      drain();
      expect(sink.seqs('news:a')).to.deep.equal([2, 4, 6, 8, 10, 12]);
      expect(sink.seqs('news:b')).to.deep.equal([13]);
    });

    it('gets nothing more of topics that it has unsubscribed from', async () => {
      await read(['news:a', 'news:b']);
      await stall('news:a');
      await test.publishMany(4, 'news:a', 'news:b');
      await unsubscribe(test.hub, subscriber, { topics: ['news:a'] });
      drain();
      expect(sink.seqs()).to.deep.equal([3, 5]);
    });
  });

  describe('with a stream of class "ledger"', () => {
    it('is ended with 4008 at once where there is nothing else to give up', async () => {
      await read(['signals:*']);
      sink.buffered = BUDGET + 1;
      await test.publish('signals:a');
      await settle();
      expect(sink.closes).to.deep.equal([CLOSE.slow]);
      expect(test.hub.counters.slowConsumers.closed).to.equal(1);
    });

    it('is ended before a message of it would be skipped, and its cursor does not pass that', async () => {
      await read(['market:*', 'signals:*']);
      await stall('market:a');
      await test.publishMany(3, 'market:a');
      expect(sink.closes).to.deep.equal([]);
      await test.publish('signals:a');
      await test.publish('market:a');
      await settle();
      expect(sink.closes).to.deep.equal([CLOSE.slow]);
      expect(sink.messages).to.deep.equal([]);
      expect(seqIn(sink.cursor, 'signals')).to.equal(0);

      const later = test.connect();
      const topics = ['market:*', 'signals:*'];
      await subscribe(test.hub, later.subscriber, { topics, since: sink.cursor }, planned());
      expect(later.sink.seqs('signals:a')).to.deep.equal([1]);
    });

    it('goes on where it drains before the next of them', async () => {
      await read(['market:*', 'signals:*']);
      await stall('market:a');
      drain();
      await test.publish('signals:a');
      await settle();
      expect(sink.closes).to.deep.equal([]);
      expect(sink.seqs('signals:a')).to.deep.equal([1]);
    });
  });

  it('lets each of its streams go its own way', async () => {
    await read(['market:*', 'news:*']);
    await stall('market:a');
    await test.publishMany(9, 'market:a', 'news:a');
    drain();
    expect(sink.seqs('news:a')).to.deep.equal([1, 2, 3, 4]);
    expect(sink.messages.filter(({ topic }) => topic === 'market:a')).to.have.length(1);
    expect(seqIn(sink.cursor, 'market')).to.equal(6);
    expect(seqIn(sink.cursor, 'news')).to.equal(4);
  });

  it('is ended where it takes nothing for 30 s', async () => {
    await read(['market:*']);
    await stall('market:a');
    clock.advance(29_900);
    sink.buffered -= 1;
    clock.advance(29_900);
    await settle();
    expect(sink.closes).to.deep.equal([]);
    clock.advance(200);
    await settle();
    expect(sink.closes).to.deep.equal([CLOSE.slow]);
  });

  it('is looked at no longer once it is gone', async () => {
    await read(['market:*']);
    await stall('market:a');
    expect(test.hub.slow.size).to.equal(1);
    test.hub.detach(subscriber);
    clock.advance(20);
    expect(test.hub.slow.size).to.equal(0);
    expect(clock.waiting).to.equal(0);
  });

  it('begins a new epoch with the values of that alone', async () => {
    await read(['market:*', 'news:*']);
    await stall('market:a');
    await test.publishMany(6, 'market:a', 'news:a');
    const epochs = ['market', 'news'].map((stream) => test.hub.stream(stream).tail.epoch);
    for (const [i, stream] of ['market', 'news'].entries()) {
      await test.log.rotate(stream, epochs[i]!);
      await test.publisher.publish({ topic: `${stream}:n`, data: '"new"' });
    }
    test.hub.resumed();
    for (let i = 0; i < 50 && test.hub.stream('news').tail.epoch === epochs[1]; i++) await settle();
    await settle();
    drain();
    expect(sink.gaps.map(({ stream, reason }) => [stream, reason])).to.have.deep.members([
      ['market', 'epoch_changed'],
      ['news', 'epoch_changed'],
    ]);
    for (const { cursor } of sink.messages) {
      for (const epoch of epochs) expect(cursor).not.to.contain(epoch);
    }
  });
});
