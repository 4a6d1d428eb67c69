import { expect } from 'chai';
import { keyOf, slotOf } from '../../server/redis/slots.js';

describe('The slot of a key in a Redis Cluster', () => {
  // By `redis-cli cluster keyslot`.
  const SLOTS: Record<string, number> = {
    news: 5161,
    '{news}:log': 5161,
    '{market}:log': 11421,
    '{axiom}:nodes': 6110,
    'foo{}{bar}': 8363,
    'foo{{bar}}zap': 4015,
    '{a': 10276,
    'ü🚀': 14376,
    '123456789': 12739,
    '': 0,
  };

  it('is the one that Redis says', () => {
    expect(Object.fromEntries(Object.keys(SLOTS).map((key) => [key, slotOf(key)]))).to.deep.equal(SLOTS);
  });

  it('is asked for by the first key of a command', () => {
    const commands: [expected: string | undefined, command: string][] = [
      ['a', 'GET a'],
      ['{a}:log', 'XRANGE {a}:log 1-0 2-0 COUNT 1'],
      ['k', 'EVALSHA sha 2 k l arg'],
      [undefined, 'EVAL text 0 arg'],
      ['k', 'XGROUP CREATE k g 0 MKSTREAM'],
      ['k', 'XREADGROUP GROUP g c COUNT 5 BLOCK 500 STREAMS k >'],
      [undefined, 'PUBLISH channel text'],
      [undefined, 'PING'],
    ];
    for (const [expected, command] of commands) expect(keyOf(command.split(' ')), command).to.equal(expected);
  });
});
