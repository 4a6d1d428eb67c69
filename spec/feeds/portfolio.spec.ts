import type { PortfolioData } from '@axiom-streaming/protocol/demo-data';
import { expect } from 'chai';
import { loadPriceSeries } from '../../server/feeds/dataset.js';
import { marketFeed } from '../../server/feeds/market.js';
import { portfolioFeed, SAMPLE_BOOK, VAR_WINDOW } from '../../server/feeds/portfolio.js';
import type { PriceSeries } from '../../server/feeds/series.js';
import { csvCloses, dataAt } from './support.js';

describe('the portfolio feed', () => {
  const series = loadPriceSeries();
  const feed = portfolioFeed(series, 1_000);
  const rows = csvCloses('MSFT').length;
  const at = (tick: number) => JSON.parse(feed.at(tick)[0]!.data) as PortfolioData;
  const valueAt = (row: number) =>
    SAMPLE_BOOK.reduce((sum, { symbol, quantity }) => sum + quantity * csvCloses(symbol)[row]!, 0);

  it('costs nothing and gains nothing in the first row', () => {
    expect(at(0)).to.include({ source: 'derived', date: '2000-01-01', pnl: 0, pnlPercent: 0, drawdown: 0 });
    expect(at(0).cost).to.be.closeTo(250 * 39.81 + 150 * 64.56 + 100 * 100.52 + 400 * 25.94, 0.005);
  });

  it('values the book at the prices of the files', () => {
    const cost = valueAt(0);
    for (const row of [1, 37, rows - 1]) {
      const { value, pnl, pnlPercent, positions } = at(row);
      expect(value).to.be.closeTo(valueAt(row), 0.005);
      expect(pnl).to.be.closeTo(valueAt(row) - cost, 0.01);
      expect(pnlPercent).to.be.closeTo((valueAt(row) / cost - 1) * 100, 1e-4);
      expect(positions.reduce((sum, one) => sum + one.value, 0)).to.be.closeTo(value, 0.03);
      expect(positions.reduce((sum, one) => sum + one.pnl, 0)).to.be.closeTo(pnl, 0.03);
    }
  });

  it('shows the prices and the date that the market feed shows in the same tick', () => {
    const market = marketFeed(series, 1_000);
    for (const tick of [0, 500, 1_763_900_000]) {
      const { positions, date } = at(tick);
      expect(positions).to.have.length(4);
      for (const { symbol, price } of positions) {
        expect(dataAt(market, tick).get(`market:${symbol}`)).to.include({ price, date });
      }
    }
  });

  it('measures the drawdown from the highest value of the pass', () => {
    let peak = 0;
    for (let row = 0; row < rows; row += 1) {
      peak = Math.max(peak, valueAt(row));
      expect(at(row).drawdown).to.be.closeTo((peak - valueAt(row)) / peak, 1e-6);
    }
  });

  it('gives the loss that at most one step in twenty exceeds', () => {
    for (const row of [20, 60, rows - 1]) {
      const profits: number[] = [];
      for (let step = 1; step <= row; step += 1) {
        let profit = 0;
        for (const { symbol, quantity } of SAMPLE_BOOK) {
          const prices = csvCloses(symbol);
          profit += (quantity * prices[row]! * (prices[step]! - prices[step - 1]!)) / prices[step - 1]!;
        }
        profits.push(profit);
      }
      const { var95, varSteps } = at(row);
      expect(varSteps).to.equal(row);
      expect(profits.filter((profit) => -profit > var95! + 0.01).length).to.be.at.most(row * 0.05);
      expect(profits.filter((profit) => -profit >= var95! - 0.01).length).to.be.above(row * 0.05);
    }
    expect(at(19).var95).to.equal(null);
  });

  it('looks no further back than the window of the value at risk', () => {
    // One crash at the start, then gentle steps: out of the window, the crash is forgotten.
    const prices = [100, 50, ...Array.from({ length: 400 }, (_, i) => (i % 10 === 0 ? 49.5 : 50))];
    const made: PriceSeries = {
      symbol: 'X',
      frequency: 'daily',
      dataset: 'made',
      rows: prices.map((close, row) => ({ date: `day ${row}`, close })),
    };
    const long = portfolioFeed([made], 1_000, [{ symbol: 'X', quantity: 1 }]);
    const last = JSON.parse(long.at(prices.length - 1)[0]!.data) as PortfolioData;
    expect(last.varSteps).to.equal(VAR_WINDOW);
    expect(last.var95).to.equal(0.5);
  });

  it('starts over at the seam', () => {
    expect(at(rows)).to.deep.equal(at(0));
    expect(at(rows + 3)).to.include({ volatility: null, var95: null, varSteps: 3 });
  });

  it('refuses a book whose prices are of different dates', () => {
    const mixed = [
      { symbol: 'MSFT', quantity: 1 },
      { symbol: 'SP500', quantity: 1 },
    ];
    expect(() => portfolioFeed(series, 1_000, mixed)).to.throw(
      'SP500 and MSFT have prices of different dates',
    );
    expect(() => portfolioFeed(series, 1_000, [{ symbol: 'NONE', quantity: 1 }])).to.throw(
      'no prices of NONE',
    );
  });
});
