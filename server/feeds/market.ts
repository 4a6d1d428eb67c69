/**
 * `market:<symbol>`: real prices of the past, replayed.
 *
 * Each step moves every series on by one row of its own, a day of the index or a month of a share, and a series that
 * ends begins anew. Keeping the calendars in step instead would leave the shares silent for twenty steps of the index,
 * and for half of its years; so each message says its `frequency` and its `date`, and dates of two symbols are not
 * comparable.
 */
import { type Feed, type FeedData, publicationId, rowAt } from './feed.js';
import { closes, FREQUENCIES, type Frequency, type PriceRow, type PriceSeries } from './series.js';
import { annualisedVolatility, round, roundOrNull } from './statistics.js';

/** The data of a message of `market`. */
export interface MarketData extends FeedData, PriceRow {
  readonly source: 'replay';
  readonly dataset: string;
  readonly symbol: string;
  readonly frequency: Frequency;
  /** Row of the dataset, from 0, of so many: row 0 begins a new pass of the replay. */
  readonly row: number;
  readonly rows: number;
  /** The row's close. */
  readonly price: number;
  /** Since the row before; null in the first row, whose predecessor would be the end of the last pass. */
  readonly change: number | null;
  /** 1 is one per cent. */
  readonly changePercent: number | null;
  /** Annualised, as a fraction, over 20 daily or 12 monthly log returns; null until the pass has so many. */
  readonly volatility: number | null;
}

/** The `market` feed. A step takes `intervalMs`. */
export function marketFeed(series: readonly PriceSeries[], intervalMs: number): Feed {
  const tables = series.map((one) => ({ symbol: one.symbol, rows: marketTable(one) }));
  return {
    name: 'market',
    intervalMs,
    at: (tick) =>
      tables.map(({ symbol, rows }) => ({
        topic: `market:${symbol}`,
        data: JSON.stringify(rows[rowAt(tick, rows.length)]),
        id: publicationId('market', symbol, tick),
      })),
  };
}

function marketTable(series: PriceSeries): MarketData[] {
  const { symbol, frequency, dataset, rows } = series;
  const { volatilityWindow, rowsPerYear } = FREQUENCIES[frequency];
  const prices = closes(series);
  const volatility = annualisedVolatility(prices, { window: volatilityWindow, rowsPerYear });
  return rows.map((priceRow, row) => {
    const before = row === 0 ? null : prices[row - 1]!;
    const change = before === null ? null : priceRow.close - before;
    return {
      source: 'replay',
      dataset,
      symbol,
      frequency,
      row,
      rows: rows.length,
      ...priceRow,
      price: priceRow.close,
      change: roundOrNull(change, 6),
      changePercent: change === null || before === null ? null : round((change / before) * 100, 4),
      volatility: roundOrNull(volatility[row]!, 6),
    };
  });
}
