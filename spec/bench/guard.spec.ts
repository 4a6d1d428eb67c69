import { expect } from 'chai';
import { guardFanout, guardLine } from '../../bench/lib/fanout-guard.js';

/** Within which the guard decides; a round takes some 9 s, and one that is good enough is the last. */
const WITHIN_MS = 27_000;

describe('The fan-out', () => {
  it('makes at least half of the recorded multiple of stock Socket.IO’s deliveries per CPU-second', async function () {
    // CPU time is read from /proc.
    if (process.platform !== 'linux') {
      console.log('    The fan-out is measured on Linux only.');
      this.skip();
    }
    this.slow(WITHIN_MS);
    const result = await guardFanout({ withinMs: WITHIN_MS });
    console.log(`    ${guardLine(result)}`);
    if (result.verdict === 'unmeasured') this.skip();
    expect(result.verdict, guardLine(result)).to.equal('holds');
  });
});
