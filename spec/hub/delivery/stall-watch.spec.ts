import { expect } from 'chai';
import { StallWatch } from '../../../server/hub/delivery/stall-watch.js';
import { FakeClock } from '../fake-clock.js';

describe('A connection that is waited for', () => {
  let clock: FakeClock;
  let watch: StallWatch;

  beforeEach(() => {
    clock = new FakeClock();
    watch = new StallWatch(clock);
  });

  it('has stalled once it has taken nothing for 30 s, however seldom it was looked at', () => {
    expect(watch.stalled(1_000)).to.equal(false);
    clock.advance(29_999);
    expect(watch.stalled(1_000)).to.equal(false);
    clock.advance(1);
    expect(watch.stalled(1_000)).to.equal(true);
  });

  it('has not where it took anything meanwhile', () => {
    watch.stalled(1_000);
    clock.advance(29_000);
    expect(watch.stalled(999)).to.equal(false);
    clock.advance(29_999);
    expect(watch.stalled(999)).to.equal(false);
    clock.advance(1);
    expect(watch.stalled(999)).to.equal(true);
  });

  it('has another 30 s after it was written to', () => {
    watch.stalled(1_000);
    clock.advance(29_000);
    watch.restart();
    expect(watch.stalled(5_000)).to.equal(false);
    clock.advance(29_999);
    expect(watch.stalled(5_000)).to.equal(false);
    clock.advance(1);
    expect(watch.stalled(5_000)).to.equal(true);
  });
});
