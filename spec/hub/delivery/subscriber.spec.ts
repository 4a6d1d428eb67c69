import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { expect } from 'chai';
import { subscribe } from '../../../server/hub/operations/subscribe.js';
import { planned, seqIn, settle, TestHub } from '../support.js';

describe('A connection of the hub', () => {
  let test: TestHub;

  beforeEach(async () => {
    test = await TestHub.start();
  });

  afterEach(() => test.stop());

  async function reading(...topics: string[]) {
    const connection = test.connect();
    await subscribe(test.hub, connection.subscriber, { topics }, planned());
    const { sink } = connection;
    sink.events.length = 0;
    return connection;
  }

  /** Delivers to the connections without giving them the time to be written to. */
  const deliver = (first: number, count: number) => {
    const { tail } = test.hub.stream('news');
    tail.batch({
      stream: 'news',
      epoch: tail.epoch,
      first,
      time: 1,
      keys: Array.from({ length: count }, () => 'a'),
      data: Array.from({ length: count }, (_, i) => String(first + i)),
    });
  };

  it('is written to once for all that is delivered in a turn', async () => {
    const { sink } = await reading('news:a');
    let writes = 0;
    const write = sink.write.bind(sink);
    sink.write = (frames) => {
      writes += 1;
      return write(frames);
    };
    deliver(1, 5);
    deliver(6, 5);
    expect(sink.messages).to.deep.equal([]);
    await settle();
    expect(sink.seqs()).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(writes).to.equal(1);
  });

  it('shares the joined bytes of a turn with all that read the same streams', async () => {
    const connections = [await reading('news:a'), await reading('news:a', 'news:b'), await reading('news:*')];
    const other = await reading('news:a', 'market:a');
    const buffersOf = new Map([...connections, other].map(({ sink }) => [sink, [] as Buffer[]]));
    for (const [sink, buffers] of buffersOf) sink.write = (frames) => buffers.push(frames.joined());
    for (const first of [1, 4]) {
      deliver(first, 3);
      await settle();
    }
    const [one, two, three, apart] = [...buffersOf.values()];
    expect(one).to.have.length(2);
    for (const turn of [0, 1]) {
      expect(two![turn]).to.equal(one![turn]);
      expect(three![turn]).to.equal(one![turn]);
      expect(apart![turn]).not.to.equal(one![turn]);
    }
    expect(one![1]).not.to.equal(one![0]);
  });

  it('has whatever is said to it come after the messages that were delivered before', async () => {
    const { sink, subscriber } = await reading('news:a');
    const gap = {
      stream: 'news',
      topics: ['news:a'],
      recovered: false,
      reason: 'trimmed',
      epoch: subscriber.id,
    } as const;
    deliver(1, 1);
    subscriber.gap(gap);
    deliver(2, 1);
    subscriber.position();
    deliver(3, 1);
    subscriber.degraded({ degraded: true, reason: 'log_unavailable', streams: ['news'] });
    deliver(4, 1);
    subscriber.drain(5);
    deliver(5, 1);
    await settle();
    expect(sink.events).to.deep.equal([
      'message 1',
      'gap trimmed',
      'message 2',
      `position ${test.cursor('news', 2)}`,
      'message 3',
      'message 4',
      'message 5',
    ]);
  });

  it('has a cursor that no message is behind', async () => {
    const { sink, subscriber } = await reading('news:a');
    deliver(1, 3);
    const cursor = subscriber.cursor();
    expect(seqIn(cursor, 'news')).to.equal(3);
    expect(sink.seqs()).to.deep.equal([1, 2, 3]);
    await settle();
    expect(sink.seqs()).to.deep.equal([1, 2, 3]);
  });

  it('gets what was delivered before it is closed, and nothing after', async () => {
    const { sink, subscriber } = await reading('news:a');
    deliver(1, 2);
    subscriber.close(CLOSE.drain);
    deliver(3, 1);
    subscriber.position();
    subscriber.close(CLOSE.slow);
    await settle();
    expect(sink.events).to.deep.equal(['message 1', 'message 2']);
    expect(sink.closes).to.deep.equal([CLOSE.drain]);
  });

  it('gets nothing once it is gone', async () => {
    const { sink, subscriber } = await reading('news:a');
    deliver(1, 2);
    test.hub.detach(subscriber);
    await settle();
    expect(sink.messages).to.deep.equal([]);
  });

  it('has its budget watched with each write', async () => {
    const { sink, subscriber } = await reading('news:a');
    sink.buffered = 1_048_576;
    deliver(1, 1);
    await settle();
    expect(subscriber.slow).to.equal(false);
    sink.buffered += 1;
    deliver(2, 1);
    deliver(3, 1);
    await settle();
    expect(subscriber.slow).to.equal(true);
    deliver(4, 1);
    await settle();
    expect(sink.seqs()).to.deep.equal([1, 2, 3]);
    expect(sink.closes).to.deep.equal([]);
  });

  it('is told its cursor again only when it has changed', async () => {
    const { sink, subscriber } = await reading('news:a');
    subscriber.position();
    subscriber.position();
    deliver(1, 1);
    subscriber.position();
    expect(sink.events).to.deep.equal(['message 1', `position ${test.cursor('news', 1)}`]);
  });
});
