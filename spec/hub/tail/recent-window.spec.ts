import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { RecentWindow } from '../../../server/hub/tail/recent-window.js';
import { StreamMessage } from '../../../server/hub/tail/stream-message.js';

const message = (seq: number, data = '0') => new StreamMessage('news', { seq, time: 1, key: 'k', data });
const WEIGHT = message(1).weight;

function windowWith(maxBytes: number, from: number, to: number): RecentWindow {
  const window = new RecentWindow(maxBytes);
  for (let seq = from; seq <= to; seq++) window.push(message(seq));
  return window;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

describe('The recent window', () => {
  it('is empty at first', () => {
    const window = new RecentWindow(1000);
    expect(window).to.include({ first: undefined, size: 0, bytes: 0 });
    expect(window.get(1)).to.equal(undefined);
    expect(window.slice(1, 10)).to.deep.equal([]);
  });

  it('holds what was pushed, by seq', () => {
    const window = windowWith(1e6, 7, 10);
    expect(window).to.include({ first: 7, size: 4, bytes: 4 * WEIGHT });
    expect([6, 7, 10, 11].map((seq) => window.get(seq)?.seq)).to.deep.equal([undefined, 7, 10, undefined]);
  });

  it('gives a slice from a seq on', () => {
    const window = windowWith(1e6, 7, 16);
    expect(window.slice(9, 3).map(({ seq }) => seq)).to.deep.equal([9, 10, 11]);
    expect(window.slice(15, 100).map(({ seq }) => seq)).to.deep.equal([15, 16]);
    expect(window.slice(17, 100)).to.deep.equal([]);
  });

  it('drops the oldest beyond its bytes', () => {
    const window = windowWith(WEIGHT * 5, 1, 12);
    expect(window).to.include({ first: 8, size: 5, bytes: 5 * WEIGHT });
    expect(window.get(7)).to.equal(undefined);
    window.push(message(13, 'x'.repeat(WEIGHT)));
    expect(window.bytes).to.be.at.most(WEIGHT * 5);
    expect(window).to.include({ first: 10, size: 4 });
  });

  it('keeps the newest message, however large it is', () => {
    const window = windowWith(0, 1, 3);
    expect(window).to.include({ first: 3, size: 1 });
    expect(window.get(3)?.seq).to.equal(3);
  });

  it('begins again with a message that does not follow', () => {
    const window = windowWith(1e6, 1, 5);
    window.push(message(9));
    expect(window).to.include({ first: 9, size: 1, bytes: WEIGHT });
    window.push(message(3));
    expect(window).to.include({ first: 3, size: 1, bytes: WEIGHT });
  });

  it('stays right over many drops', () => {
    const window = windowWith(WEIGHT * 10, 1, 10_000);
    expect(window).to.include({ first: 9_991, size: 10, bytes: 10 * WEIGHT });
    expect(window.slice(9_995, 3).map(({ seq }) => seq)).to.deep.equal([9_995, 9_996, 9_997]);
    expect(window.get(10_000)?.seq).to.equal(10_000);
  });

  it('releases what it has dropped', async () => {
    const window = new RecentWindow(WEIGHT * 10);
    const dropped = ((): WeakRef<StreamMessage> => {
      const first = message(1);
      window.push(first);
      return new WeakRef(first);
    })();
    for (let seq = 2; seq <= 100; seq++) window.push(message(seq));
    expect(window).to.include({ first: 91, size: 10 });
    // A weak reference holds on until the turn has ended.
    await nextTurn();
    collectGarbage();
    expect(dropped.deref()).to.equal(undefined);
  });

  it('forgets everything when it is cleared', () => {
    const window = windowWith(WEIGHT * 3, 1, 6_000);
    window.clear();
    expect(window).to.include({ first: undefined, size: 0, bytes: 0 });
    window.push(message(1));
    expect(window).to.include({ first: 1, size: 1, bytes: WEIGHT });
  });
});
