import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Turns } from '../../../server/hub/recovery/semaphore.js';

describe('Turns', () => {
  it('are given at once while there are any, and then in the order in which they were asked for', async () => {
    const turns = new Turns(2);
    expect([turns.take(), turns.take()]).to.deep.equal([undefined, undefined]);
    const got: number[] = [];
    for (const i of [1, 2, 3]) void turns.take()?.then(() => got.push(i));
    expect(turns).to.include({ taken: 2, waiting: 3 });
    turns.give();
    await nextTurn();
    expect(got).to.deep.equal([1]);
    turns.give();
    turns.give();
    await nextTurn();
    expect(got).to.deep.equal([1, 2, 3]);
    expect(turns).to.include({ taken: 2, waiting: 0 });
    turns.give();
    turns.give();
    expect(turns.taken).to.equal(0);
  });

  it('let a short piece of work through between the pieces of a long one', async () => {
    const turns = new Turns(1);
    const done: string[] = [];
    const work = async (name: string, pieces: number) => {
      for (let i = 0; i < pieces; i++) {
        await turns.take();
        await nextTurn();
        turns.give();
      }
      done.push(name);
    };
    await Promise.all([work('long', 20), work('short', 2)]);
    expect(done).to.deep.equal(['short', 'long']);
  });
});
