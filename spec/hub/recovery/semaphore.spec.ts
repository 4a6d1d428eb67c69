import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Semaphore } from '../../../server/hub/recovery/semaphore.js';

describe('A semaphore', () => {
  it('is acquired at once while it is free, and then in the order in which it was asked for', async () => {
    const semaphore = new Semaphore(2);
    expect([semaphore.acquire(), semaphore.acquire()]).to.deep.equal([undefined, undefined]);
    const got: number[] = [];
    for (const i of [1, 2, 3]) void semaphore.acquire()?.then(() => got.push(i));
    expect(semaphore).to.include({ running: 2, waiting: 3 });
    semaphore.release();
    await nextTurn();
    expect(got).to.deep.equal([1]);
    semaphore.release();
    semaphore.release();
    await nextTurn();
    expect(got).to.deep.equal([1, 2, 3]);
    expect(semaphore).to.include({ running: 2, waiting: 0 });
    semaphore.release();
    semaphore.release();
    expect(semaphore.running).to.equal(0);
  });

  it('lets a short piece of work through between the pieces of a long one', async () => {
    const semaphore = new Semaphore(1);
    const done: string[] = [];
    const work = async (name: string, pieces: number) => {
      for (let i = 0; i < pieces; i++) {
        await semaphore.acquire();
        await nextTurn();
        semaphore.release();
      }
      done.push(name);
    };
    await Promise.all([work('long', 20), work('short', 2)]);
    expect(done).to.deep.equal(['short', 'long']);
  });
});
