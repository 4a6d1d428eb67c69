import { expect } from 'chai';
import { HubError } from '../../server/errors.js';
import { FREE, type Meter } from '../../server/hub/access.js';
import { listKeys } from '../../server/hub/operations/key-list.js';
import { NewestByKey } from '../../server/hub/tail/last-values.js';
import type { StreamMessage } from '../../server/hub/tail/stream-message.js';

/** As a stream has them: in the order in which they came. */
function valuesOf(keys: readonly string[]): NewestByKey {
  const values = new NewestByKey();
  for (const key of keys) values.set(key, { key } as StreamMessage);
  return values;
}

const everything = () => true;

describe('A list of keys', () => {
  const keys = Array.from({ length: 1_000 }, (_, i) => `k${(i * 7919) % 1_000}`);
  const sorted = [...keys].sort();

  it('has them in order, page by page', async () => {
    const found: string[] = [];
    for (let more = true; more; ) {
      const page = await listKeys(
        valuesOf(keys),
        { after: found.at(-1), count: 64, accepts: everything },
        FREE,
      );
      found.push(...page.keys);
      more = page.more;
    }
    expect(found).to.deep.equal(sorted);
  });

  it('leaves out what may not be read, and fills its page', async () => {
    const accepts = (key: string) => key.endsWith('7');
    const { keys: found, more } = await listKeys(valuesOf(keys), { count: 100, accepts }, FREE);
    expect(found).to.deep.equal(sorted.filter(accepts));
    expect(more).to.equal(false);
  });

  it('of very many is paid for, and gives the others a turn', async () => {
    const many = valuesOf(Array.from({ length: 100_000 }, (_, i) => `k${100_000 - i}`));
    let [charged, turns, done] = [0, 0, false];
    const meter: Meter = { ...FREE, charge: (_work, amount) => (charged += amount) };
    const count = () => {
      turns += 1;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    await listKeys(many, { count: 1_000, accepts: everything }, meter);
    done = true;
    expect(charged).to.equal(100_000);
    expect(turns).to.be.at.least(20);
  });

  it('ends where its reader owes too much', async () => {
    const many = valuesOf(Array.from({ length: 100_000 }, (_, i) => `k${i}`));
    let charged = 0;
    const meter: Meter = {
      charge: (_work, amount) => (charged += amount),
      check: () => {
        throw new HubError('rate_limited', 'too much');
      },
    };
    const error = await listKeys(many, { count: 10, accepts: everything }, meter).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.include({ code: 'rate_limited' });
    expect(charged).to.be.below(10_000);
  });
});
