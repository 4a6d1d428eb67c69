/**
 * `portfolio:sample`: a sample book, valued at the prices that `market` shows in the same step.
 *
 * The book holds only shares with the same calendar, so that its value is that of one date. In the same step the S&P
 * 500 (daily) and GOOG (listed since 2004) are replayed at other dates; with them the book would mix prices of
 * different days.
 */
import type { Holding, PortfolioData, PositionData } from '@axiom-streaming/protocol/demo-data';
import { type Feed, publicationId, rowAt } from './feed.js';
import { closes, FREQUENCIES, type PriceSeries } from './series.js';
import { annualisedVolatility, drawdowns, round, roundOrNull, valueAtRisk95 } from './statistics.js';

/** The sample book: about 10,000 dollars in each share, at the first prices. */
export const SAMPLE_BOOK: readonly Holding[] = [
  { symbol: 'MSFT', quantity: 250 },
  { symbol: 'AMZN', quantity: 150 },
  { symbol: 'IBM', quantity: 100 },
  { symbol: 'AAPL', quantity: 400 },
];

/** Steps that the value at risk looks back, or fewer near the start of a pass. */
export const VAR_WINDOW = 250;
/** Of fewer steps there is no worst twentieth. */
const VAR_MIN_STEPS = 20;

/** The `portfolio` feed. @throws Error if the book's symbols are not known, or do not all have the same calendar. */
export function portfolioFeed(
  series: readonly PriceSeries[],
  intervalMs: number,
  book: readonly Holding[] = SAMPLE_BOOK,
): Feed {
  const table = portfolioTable(series, book);
  return {
    name: 'portfolio',
    intervalMs,
    at: (tick) => [
      {
        topic: 'portfolio:sample',
        data: JSON.stringify(table[rowAt(tick, table.length)]),
        id: publicationId('portfolio', 'sample', tick),
      },
    ],
  };
}

function portfolioTable(series: readonly PriceSeries[], book: readonly Holding[]): PortfolioData[] {
  const held = book.map(({ symbol, quantity }) => {
    const found = series.find((one) => one.symbol === symbol);
    if (found === undefined) throw new Error(`portfolio: there are no prices of ${symbol}`);
    return { symbol, quantity, series: found, prices: closes(found) };
  });
  const calendar = held[0]?.series;
  if (calendar === undefined) throw new Error('portfolio: the book is empty');
  for (const { symbol, series } of held) {
    const same = series.rows.length === calendar.rows.length;
    if (!same || series.rows.some(({ date }, row) => date !== calendar.rows[row]!.date)) {
      throw new Error(`portfolio: ${symbol} and ${calendar.symbol} have prices of different dates`);
    }
  }

  const sum = (row: number) => held.reduce((total, one) => total + one.quantity * one.prices[row]!, 0);
  const values = calendar.rows.map((_, row) => sum(row));
  const cost = values[0]!;
  const { volatilityWindow, rowsPerYear } = FREQUENCIES[calendar.frequency];
  const volatility = annualisedVolatility(values, { window: volatilityWindow, rowsPerYear });
  const drawdown = drawdowns(values);

  return calendar.rows.map(({ date }, row) => {
    const value = values[row]!;
    const varSteps = Math.min(row, VAR_WINDOW);
    return {
      source: 'derived',
      dataset: calendar.dataset,
      frequency: calendar.frequency,
      date,
      value: round(value, 2),
      cost: round(cost, 2),
      pnl: round(value - cost, 2),
      pnlPercent: round((value / cost - 1) * 100, 4),
      volatility: roundOrNull(volatility[row]!, 6),
      drawdown: round(drawdown[row]!, 6),
      var95: varSteps < VAR_MIN_STEPS ? null : round(valueAtRisk95(simulate(held, row, varSteps)), 2),
      varSteps,
      positions: held.map(({ symbol, quantity, prices }) => position({ symbol, quantity }, prices, row)),
    };
  });
}

/** What the current positions would have gained in each of the last `steps` steps up to `row`. */
function simulate(
  held: readonly { quantity: number; prices: readonly number[] }[],
  row: number,
  steps: number,
): number[] {
  return Array.from({ length: steps }, (_, back) => {
    const end = row - back;
    return held.reduce(
      (profit, { quantity, prices }) =>
        profit + quantity * prices[row]! * (prices[end]! / prices[end - 1]! - 1),
      0,
    );
  });
}

function position(holding: Holding, prices: readonly number[], row: number): PositionData {
  const price = prices[row]!;
  const value = holding.quantity * price;
  const cost = holding.quantity * prices[0]!;
  return { ...holding, price, value: round(value, 2), cost: round(cost, 2), pnl: round(value - cost, 2) };
}
