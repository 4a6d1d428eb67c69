import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Flusher } from '../../../server/hub/delivery/flusher.js';
import { until } from '../../support/wait.js';

/** A subscriber whose flush costs so much, ms. */
class Costly {
  readonly flushedAt: number[] = [];
  costMs = 0;

  flush(): void {
    this.flushedAt.push(performance.now());
    const end = performance.now() + this.costMs;
    while (performance.now() < end);
  }
}

describe('The flusher', () => {
  it('writes to all waiting connections at the end of the current turn, in order of arrival', async () => {
    const flusher = new Flusher(10);
    const order: string[] = [];
    for (const name of ['one', 'two', 'three']) {
      flusher.add({ flush: () => order.push(name) });
    }
    await Promise.resolve();
    expect(order).to.deep.equal([]);
    await nextTurn();
    expect(order).to.deep.equal(['one', 'two', 'three']);
    await nextTurn();
    expect(order).to.have.length(3);
  });

  it('begins another round with each flush, and flushes once for all that wait', async () => {
    const flusher = new Flusher(0);
    const { round } = flusher;
    for (let i = 0; i < 3; i++) flusher.add(new Costly());
    expect(flusher.round).to.equal(round);
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(flusher.round).to.equal(round + 1);
  });

  it('leaves what arrives during a flush to the next one', async () => {
    const flusher = new Flusher(0);
    const order: string[] = [];
    const later = { flush: () => order.push('later') };
    flusher.add({
      flush: () => {
        order.push('first');
        flusher.add(later);
      },
    });
    flusher.add({ flush: () => order.push('second') });
    await until('the last one is written to', () => order.length === 3);
    expect(order).to.deep.equal(['first', 'second', 'later']);
  });

  it('rests after a flush that cost much, and lets messages gather meanwhile', async () => {
    const flusher = new Flusher(1_000);
    const costly = new Costly();
    costly.costMs = 20;
    flusher.add(costly);
    await until('it is flushed', () => costly.flushedAt.length === 1);
    flusher.add(costly);
    await until('it is flushed again', () => costly.flushedAt.length === 2);
    // Twice as long as it took, from its end on.
    expect(costly.flushedAt[1]! - costly.flushedAt[0]!).to.be.at.least(20 + 38);
  });

  it('never rests longer than its window', async () => {
    const flusher = new Flusher(5);
    const costly = new Costly();
    costly.costMs = 400;
    flusher.add(costly);
    await until('it is flushed', () => costly.flushedAt.length === 1);
    const ended = performance.now();
    flusher.add(costly);
    await until('it is flushed again', () => costly.flushedAt.length === 2);
    expect(costly.flushedAt[1]! - ended).to.be.lessThan(400);
  });
});
