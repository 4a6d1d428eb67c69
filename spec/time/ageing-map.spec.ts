import { expect } from 'chai';
import { type Aged, AgeingMap } from '../../server/time/ageing-map.js';

describe('A map whose values end by their age', () => {
  const mapOf = (...times: readonly number[]) => {
    const map = new AgeingMap<Aged>();
    for (const [i, time] of times.entries()) map.set(`k${i}`, { seq: i + 1, time });
    return map;
  };

  it('ends what is older, and tells the highest seq of that', () => {
    const map = mapOf(5, 20, 9, 10);
    map.end(10, 100);
    expect([...map.keys()]).to.deep.equal(['k1', 'k3']);
    expect(map.endedTo).to.equal(3);
  });

  it('looks at no more than it is told, and goes on where it was', () => {
    const map = mapOf(...Array.from({ length: 10 }, () => 1));
    const sizes = Array.from({ length: 4 }, () => {
      map.end(2, 3);
      return map.size;
    });
    expect(sizes).to.deep.equal([7, 4, 1, 0]);
  });

  it('finds values that were set while it was on its way, in this turn or the next', () => {
    const map = mapOf(1, 1, 1);
    map.end(2, 2);
    map.set('k0', { seq: 4, time: 1 });
    map.set('k2', { seq: 5, time: 9 });
    map.end(2, 10);
    map.end(2, 10);
    expect([...map.keys()]).to.deep.equal(['k2']);
    expect(map.endedTo).to.equal(4);
  });

  it('tells who asks of each value that has ended', () => {
    const ended: [string, number][] = [];
    mapOf(1, 5, 2).end(3, 10, (key, { seq }) => ended.push([key, seq]));
    expect(ended).to.deep.equal([
      ['k0', 1],
      ['k2', 3],
    ]);
  });
});
