import { expect } from 'chai';
import { runStorm } from '../storm/run-storm.js';

const LENGTH_MS = 40_000;

describe('A storm of faults on a cluster', function () {
  this.timeout(600_000);

  it('leaves no loss, repeat or disorder of which a subscriber was not told', async () => {
    const { findings, faults, acknowledged, counts } = await runStorm({
      seed: 1,
      lengthMs: LENGTH_MS,
      subscribers: 24,
    });
    expect(findings).to.deep.equal([]);
    expect([...faults.values()].reduce((sum, count) => sum + count, 0)).to.be.greaterThan(5);
    expect(acknowledged).to.be.greaterThan(2_000);
    expect(counts.deliveries).to.be.greaterThan(acknowledged);
    expect(counts.recoveries).to.be.greaterThan(10);
  });
});
