/**
 * `market:<symbol>`: real prices of the past, replayed.
 *
 * Each step advances every series by one row, which is a day of the index or a month of a share; a series starts over
 * when it ends. If the calendars were kept in step instead, the shares would be silent for twenty steps at a time, and
 * for half of the index's years. So each message has its `frequency` and its `date`, and the dates of two symbols are
 * not comparable.
 */
import type { MarketData } from '@axiom-streaming/protocol/demo-data';
import { type Feed, publicationId, rowAt } from './feed.js';
import { closes, FREQUENCIES, type PriceSeries } from './series.js';
import { annualisedVolatility, round, roundOrNull } from './statistics.js';

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
