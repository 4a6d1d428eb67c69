import { expect } from 'chai';
import { account, isWhole } from './accounting.js';

describe('The account of a client', () => {
  it('is complete if each message came once and in order', () => {
    const whole = account([3, 5, 9], [3, 5, 9], 0);
    expect(whole).to.deep.equal({
      published: 3,
      received: 3,
      lost: 0,
      doubled: 0,
      outOfOrder: 0,
      announced: 0,
    });
    expect(isWhole(whole)).to.equal(true);
  });

  it('counts what never came', () => {
    expect(account([1, 2, 3, 4], [1, 4], 1)).to.include({ lost: 2, doubled: 0, outOfOrder: 0, announced: 1 });
  });

  it('counts each delivery beyond the first, without taking it for disorder', () => {
    expect(account([1, 2, 3], [1, 2, 3, 1, 2, 1], 0)).to.include({ lost: 0, doubled: 3, outOfOrder: 0 });
  });

  it('counts first deliveries that came after a later message', () => {
    expect(account([1, 2, 3, 4], [1, 4, 2, 3], 0)).to.include({ lost: 0, doubled: 0, outOfOrder: 2 });
  });

  it('is not whole where something came that was never published', () => {
    expect(isWhole(account([1, 2], [1, 2, 7], 0))).to.equal(false);
  });
});
