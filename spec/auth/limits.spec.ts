import { expect } from 'chai';
import { type LimitName, Rate } from '../../server/auth/limits.js';
import { HubError } from '../../server/errors.js';
import { until } from '../support/wait.js';

describe('A rate', () => {
  const refused: LimitName[] = [];
  const rate = (perSecond: number) =>
    new Rate({ name: 'handshakes', perSecond, store: undefined, onRefused: (limit) => refused.push(limit) });

  async function takes(by: Rate, key: string, count = 1): Promise<HubError | undefined> {
    try {
      await by.take(key, count);
      return undefined;
    } catch (error) {
      expect(error).to.be.instanceOf(HubError);
      return error as HubError;
    }
  }

  for (const perSecond of [1, 5, 100]) {
    it(`of ${perSecond} a second lets that many through, then says when to retry`, async () => {
      const by = rate(perSecond);
      for (let i = 0; i < perSecond; i++) expect(await takes(by, 'a'), `call ${i}`).to.equal(undefined);
      const refusal = await takes(by, 'a');
      expect(refusal?.code).to.equal('rate_limited');
      expect(refusal?.retryAfterMs).to.be.within(1, 1_000);
      expect(refused).to.include('handshakes');
      expect(await takes(by, 'b'), 'another key').to.equal(undefined);
      await until('it is let through again', async () => (await takes(by, 'a')) === undefined);
    });
  }

  it('is kept by those who ask all at once', async () => {
    const by = rate(50);
    const results = await Promise.all(Array.from({ length: 500 }, () => takes(by, 'a')));
    expect(results.filter((result) => result === undefined).length).to.be.within(45, 50);
  });

  it('counts a request larger than itself as its whole amount', async () => {
    const by = rate(10);
    expect(await takes(by, 'a', 1_000)).to.equal(undefined);
    expect((await takes(by, 'a'))?.code).to.equal('rate_limited');
  });

  it('makes those who stay below it wait for nothing', async () => {
    const by = rate(1_000);
    await by.take('a', 1);
    await new Promise(setImmediate);
    let waited = 0;
    for (let i = 0; i < 500; i++) {
      const taken = by.take('a', 1);
      if (taken !== undefined) waited += 1;
      await taken;
      if (i % 10 === 0) await new Promise(setImmediate);
    }
    expect(waited).to.equal(0);
  });

  it('makes addresses that keep asking wait until the end of the second, up to a limit', async () => {
    const by = new Rate({
      name: 'handshakes',
      perSecond: 10,
      store: undefined,
      holds: true,
      onRefused: (limit) => refused.push(limit),
    });
    await takes(by, 'a', 10);
    await takes(by, 'a');
    let answered = 0;
    const asking = Array.from({ length: 2_000 }, async () => {
      const refusal = await takes(by, 'a');
      answered += 1;
      expect(refusal?.code).to.equal('rate_limited');
    });
    // No timer fires before all that is due at once is done, however slow the machine is.
    for (let i = 0; i < 100; i++) await undefined;
    expect(answered, 'those that were told at once').to.equal(1_000);
    await Promise.all(asking);
    await until('they are let through again', async () => (await takes(by, 'a')) === undefined);
  });
});
