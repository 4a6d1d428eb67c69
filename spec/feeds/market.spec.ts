import { expect } from 'chai';
import { loadPriceSeries } from '../../server/feeds/dataset.js';
import { marketFeed } from '../../server/feeds/market.js';
import { csvCells, csvCloses, dataAt, SYMBOLS } from './support.js';

describe('the market feed', () => {
  const feed = marketFeed(loadPriceSeries(), 1_000);
  const daily = csvCells('sp500-2000.csv');

  it('publishes one message per symbol and step', () => {
    expect(feed.at(7).map(({ topic }) => topic)).to.have.members(SYMBOLS.map((s) => `market:${s}`));
  });

  it('replays the rows of the daily file as they are', () => {
    for (const row of [0, 1, 2, 2_500, daily.length - 1]) {
      const [date, open, high, low, close, , volume] = daily[row]!;
      expect(dataAt(feed, row).get('market:SP500')).to.include({
        source: 'replay',
        dataset: 'vega-datasets/sp500-2000.csv',
        symbol: 'SP500',
        frequency: 'daily',
        row,
        rows: daily.length,
        date,
        open: Number(open),
        high: Number(high),
        low: Number(low),
        close: Number(close),
        price: Number(close),
        volume: Number(volume),
      });
    }
  });

  it('replays the rows of the monthly file, with a sortable date and no figures that it lacks', () => {
    const first = dataAt(feed, 0);
    expect(first.get('market:MSFT')).to.include({ date: '2000-01-01', close: 39.81, frequency: 'monthly' });
    expect(first.get('market:GOOG')).to.include({ date: '2004-08-01', close: 102.37 });
    expect(first.get('market:AAPL')).to.include({ dataset: 'vega-datasets/stocks.csv', source: 'replay' });
    expect(first.get('market:MSFT')).to.not.have.any.keys('open', 'high', 'low', 'volume');
    for (const symbol of SYMBOLS) {
      const prices = csvCloses(symbol);
      for (const row of [1, 40, prices.length - 1]) {
        expect(dataAt(feed, row).get(`market:${symbol}`)?.close, `${symbol} ${row}`).to.equal(prices[row]);
      }
    }
  });

  it('computes the change against the row before', () => {
    expect(dataAt(feed, 1).get('market:SP500')).to.include({ change: -55.799927, changePercent: -3.8345 });
    expect(dataAt(feed, 1).get('market:MSFT')).to.include({ change: -3.46, changePercent: -8.6913 });
  });

  it('annualises the deviation of the log returns of the window', () => {
    for (const [symbol, window, perYear] of [
      ['SP500', 20, 252],
      ['IBM', 12, 12],
    ] as const) {
      const prices = csvCloses(symbol);
      for (const row of [window, window + 1, 100]) {
        let sum = 0;
        let squares = 0;
        for (let r = row - window + 1; r <= row; r += 1) {
          const change = Math.log(prices[r]!) - Math.log(prices[r - 1]!);
          sum += change;
          squares += change * change;
        }
        const expected = Math.sqrt(((squares - (sum * sum) / window) / (window - 1)) * perYear);
        expect(dataAt(feed, row).get(`market:${symbol}`)?.volatility).to.be.closeTo(expected, 1e-6);
      }
      expect(dataAt(feed, window - 1).get(`market:${symbol}`)?.volatility).to.equal(null);
    }
  });

  it('starts over after the last row without computing across the seam', () => {
    for (const symbol of SYMBOLS) {
      const rows = csvCloses(symbol).length;
      const again = dataAt(feed, 9 * rows).get(`market:${symbol}`);
      expect(again).to.deep.equal(dataAt(feed, 0).get(`market:${symbol}`));
      expect(again).to.include({ row: 0, change: null, changePercent: null, volatility: null });
      expect(dataAt(feed, 9 * rows + 5).get(`market:${symbol}`)).to.include({ volatility: null });
      expect(dataAt(feed, 9 * rows - 1).get(`market:${symbol}`)).to.include({ row: rows - 1 });
    }
  });
});
