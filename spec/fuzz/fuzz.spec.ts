import { expect } from 'chai';
import { type FuzzResult, fuzz } from './fuzz.js';

/** The longest turn, in times of reading and writing a document of 1 MiB. */
const MOST_TIMES = 15;

describe('Five thousand hostile inputs', () => {
  let result: FuzzResult;

  before(async () => {
    result = await fuzz({ inputs: 5_000 });
  });

  it('are all answered in the documented form, and end nobody', () => {
    expect(result.findings).to.deep.equal([]);
    expect(Object.values(result.inputs).reduce((sum, count) => sum + count, 0)).to.be.at.least(5_000);
  });

  it('keep the event loop no longer than reading and writing 15 MiB of JSON would', () => {
    const { longestTurnMs, referenceMs } = result;
    const times = longestTurnMs / referenceMs;
    expect(times, `${longestTurnMs} ms, where one MiB takes ${referenceMs} ms`).to.be.below(MOST_TIMES);
  });

  it('leave neither connections nor memory behind', () => {
    expect(result.connectionsLeft).to.equal(0);
    const [before, after] = result.heapBytes;
    expect(after).to.be.below(before * 1.5);
  });
});
