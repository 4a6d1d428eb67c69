import { expect } from 'chai';
import { type FuzzResult, fuzz } from './fuzz.js';

describe('Five thousand hostile inputs', () => {
  let result: FuzzResult;

  before(async () => {
    result = await fuzz({ inputs: 5_000 });
  });

  it('are all answered in the documented form, and end nobody', () => {
    expect(result.findings).to.deep.equal([]);
    expect(Object.values(result.inputs).reduce((sum, count) => sum + count, 0)).to.be.at.least(5_000);
  });

  it('keep the event loop for no longer than 50 ms', () => {
    expect(result.longestTurnMs).to.be.below(50);
  });

  it('leave neither connections nor memory behind', () => {
    expect(result.connectionsLeft).to.equal(0);
    const [before, after] = result.heapBytes;
    expect(after).to.be.below(before * 1.5);
  });
});
