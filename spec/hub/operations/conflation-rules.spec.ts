import type { SubscribeRequest } from '@axiom-streaming/protocol/requests';
import { expect } from 'chai';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import { subscribe } from '../../../server/hub/operations/subscribe.js';
import { unsubscribe } from '../../../server/hub/operations/unsubscribe.js';
import { FakeClock } from '../fake-clock.js';
import { failureOf, planned, type RecordingSink, seqIn, settle, TestHub } from '../support.js';

describe('A conflated subscription', () => {
  let test: TestHub;
  let clock: FakeClock;
  let sink: RecordingSink;
  let subscriber: Subscriber;

  beforeEach(async () => {
    clock = new FakeClock();
    test = await TestHub.start({ clock });
    ({ sink, subscriber } = test.connect());
  });

  afterEach(() => test.stop());

  async function read(topics: string[], request: Partial<SubscribeRequest> = {}) {
    const options = planned();
    await subscribe(test.hub, subscriber, { topics, ...request }, options);
    return options.results[0]!;
  }

  const refusal = (topics: string[], request: Partial<SubscribeRequest>) =>
    failureOf(() => read(topics, request));

  /** Time goes on, and what becomes due is written. */
  const advance = (ms: number) => {
    clock.advance(ms);
    subscriber.flush();
  };
  const lines = (received = sink) =>
    received.messages.map(({ seq, conflated }) => `${seq}+${conflated ?? '-'}`);

  it('gets the first message at once, then the newest per key at its rate, with what was folded', async () => {
    await read(['market:*'], { conflate: 'latest', maxRate: 2 });
    await test.publishMany(6, 'market:a', 'market:b');
    expect(lines()).to.deep.equal(['1+0', '2+0']);
    advance(500);
    expect(lines()).to.deep.equal(['1+0', '2+0', '5+1', '6+1']);
    expect(test.hub.streams.get('market')!.fanout.counts).to.include({ delivered: 4, conflated: 2 });
  });

  it('merges the fields of data if asked to', async () => {
    await read(['market:a'], { conflate: 'merge', maxRate: 1 });
    for (const data of [{ bid: 1 }, { bid: 2, ask: 3 }, { bid: 4 }]) await test.publish('market:a', data);
    advance(1_000);
    expect(sink.messages.at(-1)).to.deep.include({ seq: 3, data: { bid: 4, ask: 3 }, conflated: 1 });
  });

  it('begins with the snapshot, after which each key rests', async () => {
    await test.publish('market:a');
    await read(['market:a'], { conflate: 'latest', maxRate: 1 });
    await test.publish('market:a');
    expect(lines()).to.deep.equal(['1+-']);
    advance(1_000);
    expect(lines()).to.deep.equal(['1+-', '2+0']);
  });

  it('lets other topics of the connection have everything, of the same stream too', async () => {
    await read(['market:*'], { conflate: 'latest', maxRate: 1 });
    await read(['market:a', 'news:a']);
    await test.publishMany(4, 'market:a');
    await test.publishMany(4, 'market:b');
    await test.publishMany(4, 'news:a');
    expect(sink.seqs('market:a')).to.deep.equal([1, 2, 3, 4]);
    expect(sink.seqs('market:b')).to.deep.equal([5]);
    expect(sink.seqs('news:a')).to.deep.equal([1, 2, 3, 4]);
    advance(1_000);
    expect(sink.seqs('market:b')).to.deep.equal([5, 8]);
  });

  it('leaves frames to be shared by the others, and takes no part', async () => {
    const others = [test.connect(), test.connect()];
    const buffers: Buffer[][] = [[], []];
    for (const [i, other] of others.entries()) {
      // It stands between the others in the list of readers.
      if (i === 1) await read(['news:a'], { conflate: 'latest', maxRate: 1000 });
      await subscribe(test.hub, other.subscriber, { topics: ['news:a'] }, planned());
      other.sink.write = (frames) => buffers[i]!.push(frames.joined());
    }
    await test.publishMany(3, 'news:a');
    expect(buffers[0]).to.have.length(1);
    expect(buffers[1]![0]).to.equal(buffers[0]![0]);
  });

  describe('is refused', () => {
    it('for a ledger, of which nothing may be skipped', async () => {
      const error = await refusal(['news:a', 'signals:*'], { conflate: 'latest', maxRate: 1 });
      expect(error).to.include({ code: 'unsupported', field: 'conflate' });
      expect(String(error)).to.contain('signals:*');
      expect(subscriber.topics()).to.deep.equal([]);
    });

    it('where it would raise the rate', async () => {
      await read(['market:a'], { conflate: 'latest', maxRate: 2 });
      const error = await refusal(['market:b', 'market:a'], { conflate: 'latest', maxRate: 2.1 });
      expect(error).to.include({ code: 'bad_request', field: 'maxRate' });
      expect(subscriber.topics()).to.deep.equal(['market:a']);
      await unsubscribe(test.hub, subscriber, { topics: ['market:a'] });
      await read(['market:a'], { conflate: 'latest', maxRate: 2.1 });
    });
  });

  describe('that is subscribed to again', () => {
    it('takes the new mode and the lower rate, and loses nothing that was pending', async () => {
      await read(['news:a'], { conflate: 'latest', maxRate: 10 });
      for (const data of [{ a: 1 }, { b: 2 }, { b: 3 }]) await test.publish('news:a', data);
      await read(['news:a'], { conflate: 'merge', maxRate: 1 });
      await test.publish('news:a', { c: 4 });
      advance(999);
      expect(lines()).to.deep.equal(['1+0']);
      advance(1);
      expect(sink.messages.at(-1)).to.deep.include({ seq: 4, data: { b: 3, c: 4 }, conflated: 2 });
      expect([...subscriber.conflations()]).to.deep.equal([['news:a', { mode: 'merge', maxRate: 1 }]]);
    });

    it('stays as it is where nothing is said of conflation', async () => {
      await read(['news:a'], { conflate: 'latest', maxRate: 1 });
      await test.publishMany(3, 'news:a');
      await read(['news:a']);
      await test.publishMany(3, 'news:a');
      expect(lines()).to.deep.equal(['1+0']);
      advance(1_000);
      expect(lines()).to.deep.equal(['1+0', '6+4']);
    });

    it('gets the rewind in full', async () => {
      await read(['news:a'], { conflate: 'latest', maxRate: 1 });
      await test.publishMany(4, 'news:a');
      await read(['news:a'], { rewind: 3 });
      expect(sink.seqs()).to.deep.equal([1, 2, 3, 4]);
      await test.publishMany(1, 'news:a');
      advance(1_000);
      expect(sink.seqs()).to.deep.equal([1, 2, 3, 4, 5]);
    });

    it('starts to be conflated if it was not', async () => {
      await read(['news:a']);
      await test.publishMany(3, 'news:a');
      await read(['news:a'], { conflate: 'latest', maxRate: 1 });
      await test.publishMany(3, 'news:a');
      advance(1_000);
      expect(lines()).to.deep.equal(['1+-', '2+-', '3+-', '4+0', '6+1']);
    });
  });

  it('ends with unsubscribe, and nothing of it arrives later', async () => {
    await read(['news:*'], { conflate: 'latest', maxRate: 1 });
    await read(['news:b']);
    await test.publishMany(3, 'news:a');
    await unsubscribe(test.hub, subscriber, { topics: ['news:*'] });
    await test.publishMany(2, 'news:b');
    advance(5_000);
    expect(lines()).to.deep.equal(['1+0', '4+-', '5+-']);
    expect(clock.waiting).to.equal(0);
    expect([...subscriber.conflations()]).to.deep.equal([]);
  });

  it('sends at once what is pending of a key that is still read without conflation conflation conflation', async () => {
    await read(['news:a'], { conflate: 'latest', maxRate: 1 });
    await read(['news:*']);
    await test.publishMany(3, 'news:a');
    await unsubscribe(test.hub, subscriber, { topics: ['news:a'] });
    await test.publishMany(1, 'news:a');
    expect(lines()).to.deep.equal(['1+0', '3+1', '4+-']);
  });

  it('leaves no timer behind when its connection is gone', async () => {
    await read(['news:a'], { conflate: 'latest', maxRate: 1 });
    await test.publishMany(3, 'news:a');
    expect(clock.waiting).to.equal(1);
    test.hub.detach(subscriber);
    expect(clock.waiting).to.equal(0);
  });

  for (const [what, stream, expected] of [
    ['in class "state", what the new epoch begins with', 'market', ['5+-', '7+-', '8+0']],
    ['in class "log", only what comes', 'news', ['8+0']],
  ] as const) {
    it(`gets nothing of an epoch that is over: ${what}`, async () => {
      await read([`${stream}:*`], { conflate: 'latest', maxRate: 1 });
      await test.publishMany(6, `${stream}:a`, `${stream}:b`);
      const { tail } = test.hub.stream(stream);
      const before = tail.epoch;
      await test.log.rotate(stream, before);
      test.log.announcements = 'drop';
      await test.publisher.publish({ topic: `${stream}:b`, data: '"new"' });
      test.log.announcements = 'pass';
      test.hub.resumed();
      await test.hub.whenLive();
      await settle();
      expect(tail.epoch).not.to.equal(before);
      advance(5_000);
      await test.publish(`${stream}:b`, 'new');
      advance(5_000);
      expect(sink.gaps.map(({ reason }) => reason)).to.deep.equal(['epoch_changed']);
      expect(lines()).to.deep.equal(['1+0', '2+0', ...expected]);
      for (const { cursor } of sink.messages.slice(2)) expect(cursor).not.to.contain(before);
      expect(sink.cursor).to.equal(test.cursor(stream, tail.last));
    });
  }

  describe('has a cursor', () => {
    it('that is never behind what is pending', async () => {
      await read(['news:*'], { conflate: 'latest', maxRate: 1 });
      await test.publish('news:a');
      await test.publish('news:a');
      await test.publish('news:b');
      expect(sink.cursorSeqs('news')).to.deep.equal([1, 1]);
      expect(seqIn(subscriber.cursor(), 'news')).to.equal(1);
      advance(1_000);
      expect(sink.cursorSeqs('news')).to.deep.equal([1, 1, 3]);
    });

    it('from which a subscription that is not conflated misses nothing', async () => {
      await read(['news:*'], { conflate: 'latest', maxRate: 1 });
      await test.publishMany(6, 'news:a', 'news:b');
      const later = test.connect();
      await subscribe(test.hub, later.subscriber, { topics: ['news:*'], since: sink.cursor }, planned());
      expect(later.sink.seqs('news:a')).to.deep.equal([3, 5]);
      expect(later.sink.seqs('news:b')).to.include.members([4, 6]);
    });

    it('that is renewed on a quiet connection like any other', async () => {
      await read(['news:a'], { conflate: 'latest', maxRate: 1 });
      await test.publishMany(3, 'news:b');
      subscriber.position();
      expect(seqIn(sink.cursor, 'news')).to.equal(3);
    });
  });

  for (const [what, stream] of [
    ['class "state"', 'market'],
    ['class "log"', 'news'],
  ] as const) {
    describe(`that is resumed, in ${what}`, () => {
      const conflate = { conflate: 'latest', maxRate: 1 } as const;

      it('gets the newest of each key that has changed, and is told that it is conflated', async () => {
        await test.publishMany(3, `${stream}:a`, `${stream}:b`, `${stream}:c`);
        const since = test.cursor(stream, 3);
        await test.publishMany(6, `${stream}:a`, `${stream}:b`);
        const topics = ['a', 'b', 'c'].map((key) => `${stream}:${key}`);
        const { topics: verdicts } = await read(topics, { ...conflate, since });
        expect(verdicts).to.deep.equal([
          { topic: `${stream}:a`, recovered: false, reason: 'conflated' },
          { topic: `${stream}:b`, recovered: false, reason: 'conflated' },
          { topic: `${stream}:c`, recovered: true },
        ]);
        expect(sink.seqs()).to.deep.equal([8, 9]);
      });

      it('gets them of the whole stream', async () => {
        await test.publishMany(9, `${stream}:a`, `${stream}:b`, `${stream}:c`);
        const { topics } = await read([`${stream}:*`], { ...conflate, since: test.cursor(stream, 7) });
        expect(topics).to.deep.equal([{ topic: `${stream}:*`, recovered: false, reason: 'conflated' }]);
        expect(sink.seqs()).to.deep.equal([8, 9]);
      });

      it('misses nothing where nothing has changed', async () => {
        await test.publishMany(3, `${stream}:a`);
        const { topics } = await read([`${stream}:*`], { ...conflate, since: test.cursor(stream, 3) });
        expect(topics).to.deep.equal([{ topic: `${stream}:*`, recovered: true }]);
        expect(sink.seqs()).to.deep.equal([]);
        await test.publishMany(1, `${stream}:a`);
        expect(sink.seqs()).to.deep.equal([4]);
      });

      it('loses no key when it is cut anywhere and comes back', async () => {
        const seen = new Map<string, number>();
        let cursor: string | undefined;
        let last = 0;
        for (let round = 0; round < 8; round++) {
          const connection = test.connect();
          connection.sink.onWrite = ({ topic, seq, cursor: with_ }) => {
            seen.set(topic, Math.max(seq, seen.get(topic) ?? 0));
            cursor = with_;
          };
          const request = { topics: [`${stream}:*`], ...conflate };
          await subscribe(
            test.hub,
            connection.subscriber,
            cursor === undefined ? request : { ...request, since: cursor },
            planned(),
          );
          await test.publishMany(3 + round, `${stream}:a`, `${stream}:b`, `${stream}:c`);
          last += 3 + round;
          if (round % 2 === 1) clock.advance(700);
          connection.subscriber.flush();
          if (round < 7) test.hub.detach(connection.subscriber);
          else {
            clock.advance(5_000);
            connection.subscriber.flush();
          }
        }
        expect(Math.max(...seen.values())).to.equal(last);
        const { lastValues } = test.hub.stream(stream).tail;
        for (const [key, { seq }] of lastValues) expect(seen.get(`${stream}:${key}`), key).to.equal(seq);
      });
    });
  }
});
