import type { DegradedInfo } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import { subscribe } from '../../../server/hub/operations/subscribe.js';
import { unsubscribe } from '../../../server/hub/operations/unsubscribe.js';
import { FakeClock } from '../fake-clock.js';
import { planned, type RecordingSink, STREAMS, TestHub } from '../support.js';

const BUDGET = 65_536;

describe('A slow connection', () => {
  let test: TestHub;
  let clock: FakeClock;
  let sink: RecordingSink;
  let subscriber: Subscriber;

  beforeEach(async () => {
    clock = new FakeClock();
    const streams = [...STREAMS, { ...STREAMS[0]!, name: 'portfolio' }];
    test = await TestHub.start({ clock, streams, limits: { connectionBudgetBytes: BUDGET } });
    ({ sink, subscriber } = test.connect());
  });

  afterEach(() => test.stop());

  const read = (...topics: string[]) => subscribe(test.hub, subscriber, { topics }, planned());
  const slow = (degraded: boolean, ...streams: string[]): DegradedInfo => ({
    degraded,
    reason: 'slow',
    streams,
  });

  /** Its client takes nothing any more, and the next write finds that out. */
  async function stall(topic: string): Promise<void> {
    sink.buffered = BUDGET + 1;
    await test.publish(topic);
    expect(subscriber.slow).to.equal(true);
  }

  /** Its client has taken everything. */
  function catchUp(): void {
    sink.buffered = 0;
    clock.advance(20);
    expect(subscriber.slow).to.equal(false);
  }

  it('is told when its "state" streams begin to be conflated and when that is over', async () => {
    await read('market:*', 'news:a');
    await stall('market:a');
    expect(sink.degradations).to.deep.equal([slow(true, 'market')]);
    catchUp();
    expect(sink.degradations.slice(1)).to.deep.equal([slow(false, 'market')]);
  });

  it('is told of the end for all streams that it was told of, even if it no longer reads them', async () => {
    await read('market:*', 'portfolio:*');
    await stall('market:a');
    await unsubscribe(test.hub, subscriber, { topics: ['portfolio:*'] });
    catchUp();
    expect(sink.degradations).to.deep.equal([
      slow(true, 'market', 'portfolio'),
      slow(false, 'market', 'portfolio'),
    ]);
  });

  it('is told once of a stream that it subscribes to meanwhile, and of the end of all', async () => {
    await read('market:*');
    await stall('market:a');
    await read('portfolio:a').then(() => read('portfolio:b', 'news:*'));
    catchUp();
    expect(sink.degradations).to.deep.equal([
      slow(true, 'market'),
      slow(true, 'portfolio'),
      slow(false, 'market', 'portfolio'),
    ]);
    expect(test.hub.counters.slowConsumers.conflated, 'connections that were conflated').to.equal(1);
  });

  it('is not told of an end if it was not told of the beginning', async () => {
    await read('news:*');
    await stall('news:a');
    catchUp();
    expect(sink.degradations).to.deep.equal([]);
  });
});
