/** Work is paid for: out of a bucket of units for each address, and one for each subject. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { CostBucket } from '../../server/auth/cost-bucket.js';
import { CostMeter } from '../../server/auth/cost-meter.js';
import { COST_NAMES, unitsOf } from '../../server/auth/costs.js';
import { HubError } from '../../server/errors.js';

const RATE = 10;

/** The refusal of a call that refuses at once. */
function refusalOf(call: () => unknown): HubError | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    expect(error).to.be.instanceOf(HubError);
    return error as HubError;
  }
}

describe('A bucket of units', () => {
  let now = 0;
  let refused: string[] = [];
  let bucket: CostBucket;

  beforeEach(() => {
    now = 1_000;
    refused = [];
    bucket = new CostBucket({
      name: 'requests_per_address',
      perSecond: RATE,
      onRefused: (limit) => refused.push(limit),
      now: () => now,
    });
  });

  it('gives what it holds, then says when there is more', () => {
    for (let i = 0; i < RATE; i++) expect(refusalOf(() => bucket.take('a', 1))).to.equal(undefined);
    const refusal = refusalOf(() => bucket.take('a', 1));
    expect(refusal).to.include({ code: 'rate_limited', retryAfterMs: 100 });
    expect(refused).to.deep.equal(['requests_per_address']);
    expect(
      refusalOf(() => bucket.take('b', 1)),
      'another key',
    ).to.equal(undefined);
    now += 100;
    expect(refusalOf(() => bucket.take('a', 1))).to.equal(undefined);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(100);
  });

  it('holds no more than it earns in a second', () => {
    bucket.take('a', RATE);
    now += 60_000;
    bucket.take('a', RATE);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(100);
  });

  it('gives all it holds for what costs more', () => {
    expect(refusalOf(() => bucket.take('a', 1_000))).to.equal(undefined);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(100);
  });

  it('makes what follows wait for what was charged', () => {
    bucket.charge('a', 6 * RATE);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(5_100);
    now += 5_100;
    expect(refusalOf(() => bucket.take('a', 1))).to.equal(undefined);
  });

  it('stops work that can stop when it owes ten seconds', () => {
    bucket.charge('a', 11 * RATE);
    expect(
      refusalOf(() => bucket.check('a')),
      'owes ten seconds',
    ).to.equal(undefined);
    expect(bucket.waitMs('a')).to.equal(0);
    bucket.charge('a', 1);
    expect(refusalOf(() => bucket.check('a'))).to.include({ code: 'rate_limited', retryAfterMs: 10_100 });
    expect(bucket.waitMs('a')).to.be.closeTo(100, 0.001);
    now += 100;
    expect(refusalOf(() => bucket.check('a'))).to.equal(undefined);
  });

  it('owes no more than twenty seconds, whatever was done', () => {
    for (let i = 0; i < 100; i++) bucket.charge('a', 1_000 * RATE);
    expect(refusalOf(() => bucket.take('a', 1))?.retryAfterMs).to.equal(20_100);
  });

  it('holds refusals back from those who keep asking, though something is given now and then', () => {
    bucket.take('a', RATE);
    const askAll = () => {
      let prompt = 0;
      for (let i = 0; i < 100; i++)
        if (refusalOf(() => void bucket.take('a', 1)?.catch(() => undefined)) !== undefined) prompt += 1;
      return prompt;
    };
    expect(askAll()).to.equal(20);
    now += 500;
    expect(askAll(), 'in the same second').to.equal(0);
    now += 501;
    expect(askAll(), 'in another').to.equal(20);
  });
});

describe('The meter of a node', () => {
  const refused: string[] = [];
  let meter: CostMeter;

  beforeEach(() => {
    refused.length = 0;
    meter = new CostMeter({ perAddress: 5, perSubject: 8, onRefused: (limit) => refused.push(limit) });
  });

  const payers = {
    address: { address: '203.0.113.1', subject: undefined },
    subject: { address: undefined, subject: 'alice' },
    both: { address: '203.0.113.2', subject: 'bob' },
    nobody: { address: undefined, subject: undefined },
  };
  const takes = (payer: keyof typeof payers) => {
    let taken = 0;
    while (taken < 100 && refusalOf(() => meter.take(payers[payer], 'request')) === undefined) taken += 1;
    return taken;
  };

  it('lets an address and a subject each pay, and whoever is both by both', () => {
    expect(takes('address')).to.equal(5);
    expect(takes('subject')).to.equal(8);
    expect(takes('both')).to.equal(5);
    expect(refused).to.deep.equal(['requests_per_address', 'requests_per_subject', 'requests_per_address']);
    expect(takes('nobody')).to.equal(100);
  });

  it('has no price for what nothing charges', () => {
    const server = new URL('../../../server/', import.meta.url);
    const sources = readdirSync(server, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !['auth/costs.ts', 'hub/access.ts'].includes(file))
      .map((file) => readFileSync(new URL(file, server), 'utf8'));
    for (const name of COST_NAMES)
      expect(
        sources.some((source) => source.includes(`'${name}'`)),
        name,
      ).to.equal(true);
  });

  it('counts the units of each kind of work', () => {
    meter.take(payers.address, 'request');
    meter.charge(payers.subject, 'messages_read', 5_000);
    meter.charge(payers.nobody, 'messages_read', 50);
    expect(meter.units.get('request')).to.equal(1);
    expect(meter.units.get('messages_read')).to.equal(unitsOf('messages_read', 5_050));
    expect([...meter.units.keys()]).to.deep.equal(COST_NAMES);
  });
});
