import { expect } from 'chai';
import { loadPriceSeries } from '../../server/feeds/dataset.js';
import type { PriceSeries } from '../../server/feeds/series.js';
import { signalsFeed } from '../../server/feeds/signals.js';
import { csvCloses, SYMBOLS } from './support.js';

/** The mean of the `window` prices that end with `row`, summed one by one. */
function averageAt(prices: readonly number[], row: number, window: number): number {
  let sum = 0;
  for (let r = row - window + 1; r <= row; r += 1) sum += prices[r]!;
  return sum / window;
}

/** The crossings of a symbol by brute force: row → side. */
function bruteForce(symbol: string): Map<number, string> {
  const [fast, slow] = symbol === 'SP500' ? [20, 50] : [3, 12];
  const prices = csvCloses(symbol);
  const found = new Map<number, string>();
  for (let row = slow; row < prices.length; row += 1) {
    const before = averageAt(prices, row - 1, fast) - averageAt(prices, row - 1, slow);
    const now = averageAt(prices, row, fast) - averageAt(prices, row, slow);
    if (before < 0 && now > 0) found.set(row, 'buy');
    if (before > 0 && now < 0) found.set(row, 'sell');
  }
  return found;
}

describe('the signals feed', () => {
  const feed = signalsFeed(loadPriceSeries(), 1_000);
  const of = (symbol: string, tick: number) =>
    feed.at(tick).flatMap(({ topic, data }) => (topic === `signals:${symbol}` ? [JSON.parse(data)] : []));

  for (const symbol of SYMBOLS) {
    it(`finds the crossings of ${symbol} that a brute-force search finds, and no others`, () => {
      const expected = bruteForce(symbol);
      const prices = csvCloses(symbol);
      expect(expected.size).to.be.above(1);
      for (let row = 0; row < prices.length; row += 1) {
        const [signal, execution, ...more] = of(symbol, row);
        expect(signal?.side, `row ${row}`).to.equal(expected.get(row));
        if (signal === undefined) continue;
        expect(signal).to.include({ source: 'derived', kind: 'signal', symbol, price: prices[row] });
        expect(signal.fast).to.be.closeTo(averageAt(prices, row, signal.fastWindow), 1e-6);
        expect(signal.slow).to.be.closeTo(averageAt(prices, row, signal.slowWindow), 1e-6);
        expect(execution).to.include({ kind: 'execution', side: signal.side, date: signal.date });
        expect(more).to.have.length(0);
      }
    });
  }

  it('publishes a signal before its paper execution, with separate ids', () => {
    const row = [...bruteForce('SP500').keys()][0]!;
    const [signal, execution] = feed.at(row).filter(({ topic }) => topic === 'signals:SP500');
    expect(signal!.id).to.equal(`feed-signals-SP500-${row}`);
    expect(execution!.id).to.equal(`feed-signals-SP500-${row}-execution`);
    expect(JSON.parse(execution!.data)).to.include({
      source: 'derived',
      paper: true,
      quantity: 100,
      signalId: signal!.id,
    });
  });

  it('sees no crossing at the seam, nor while the slow average has too few rows', () => {
    const rows = csvCloses('SP500').length;
    for (let row = 0; row < 50; row += 1) expect(of('SP500', 3 * rows + row)).to.deep.equal([]);
  });

  it('takes a touch of the averages for no crossing', () => {
    const made = (...prices: number[]): PriceSeries => ({
      symbol: 'X',
      frequency: 'monthly',
      dataset: 'made',
      rows: prices.map((close, row) => ({ date: `month ${row}`, close })),
    });
    // The 9 leaves the fast average first, which then lies above the slow one until that has lost it too: they touch.
    const flat = Array.from({ length: 12 }, () => 10);
    const touched = signalsFeed([made(...flat.slice(1), 9, ...flat, 11)], 1_000);
    const crossed = signalsFeed([made(...flat.slice(1), 9, ...flat, 9)], 1_000);
    const sides = (feed: typeof touched) =>
      Array.from({ length: 25 }, (_, row) => feed.at(row))
        .flat()
        .map(({ data }) => JSON.parse(data))
        .filter(({ kind }) => kind === 'signal')
        .map(({ side }) => side);
    expect(sides(touched)).to.deep.equal(['buy']);
    expect(sides(crossed)).to.deep.equal(['buy', 'sell']);
  });
});
