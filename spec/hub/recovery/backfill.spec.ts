import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { expect } from 'chai';
import { subscribe } from '../../../server/hub/operations/subscribe.js';
import { until } from '../../support/wait.js';
import { FakeClock } from '../fake-clock.js';
import { planned, settle, TestHub } from '../support.js';

const BUDGET = 65_536;

describe('A backfill of a connection that does not drain', () => {
  let test: TestHub;
  let clock: FakeClock;

  beforeEach(async () => {
    clock = new FakeClock();
    test = await TestHub.start({ clock, limits: { connectionBudgetBytes: BUDGET } });
    await test.log.append(
      'news',
      Array.from({ length: 200 }, () => ({ key: 'a', data: JSON.stringify('x'.repeat(400)) })),
    );
    await test.reached('news', 200);
  });

  afterEach(() => test.stop());

  /** Begins to read from the first message on, and waits until the backfill pauses. */
  async function pause() {
    const { sink, subscriber } = test.connect();
    sink.onWrite = ({ data }) => {
      sink.buffered += String(data).length + 60;
    };
    const reading = subscribe(
      test.hub,
      subscriber,
      { topics: ['news:a'], since: test.cursor('news', 0) },
      planned(),
    );
    await until('it pauses', () => clock.waiting > 0);
    return { sink, reading };
  }

  it('ends it as slow after 30 s of the clock, though it was looked at twice', async () => {
    const { sink, reading } = await pause();
    // A loop that stood still: one look is due, and comes late.
    clock.advance(29_990);
    await settle();
    expect(sink.closes).to.deep.equal([]);
    clock.advance(10);
    await settle();
    await reading;
    expect(sink.closes).to.deep.equal([CLOSE.slow]);
    expect(test.hub.counters.slowConsumers.closed).to.equal(1);
    expect(test.hub.recovery.backfills).to.deep.equal({ running: 0, waiting: 0 });
  });

  it('continues while it takes a little now and then', async () => {
    const { sink, reading } = await pause();
    for (let round = 0; round < 5; round++) {
      clock.advance(29_000);
      sink.buffered -= 1;
      await settle();
    }
    expect(sink.closes).to.deep.equal([]);
    sink.onWrite = () => undefined;
    sink.buffered = 0;
    clock.advance(10);
    await reading;
    expect(sink.seqs()).to.have.length(200);
  });
});
