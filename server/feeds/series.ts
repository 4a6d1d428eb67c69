/** The price series that are replayed, and what their two frequencies mean for the statistics. */
import type { Frequency, PriceRow } from '@axiom-streaming/protocol/demo-data';

/** Windows are counted in rows. */
export interface FrequencyTraits {
  /** Rows in a year, used to annualise a volatility. */
  readonly rowsPerYear: number;
  /** Number of log returns that a volatility is computed from. */
  readonly volatilityWindow: number;
  /** Lengths, in rows, of the two moving averages whose crossings are signals. */
  readonly fastWindow: number;
  readonly slowWindow: number;
}

export const FREQUENCIES: Readonly<Record<Frequency, FrequencyTraits>> = {
  daily: { rowsPerYear: 252, volatilityWindow: 20, fastWindow: 20, slowWindow: 50 },
  monthly: { rowsPerYear: 12, volatilityWindow: 12, fastWindow: 3, slowWindow: 12 },
};

/** One symbol's prices, oldest first, never empty. */
export interface PriceSeries {
  readonly symbol: string;
  readonly frequency: Frequency;
  /** Package and file, e.g. `vega-datasets/stocks.csv`. */
  readonly dataset: string;
  readonly rows: readonly PriceRow[];
}

/** The closing prices. */
export function closes(series: PriceSeries): number[] {
  return series.rows.map(({ close }) => close);
}
