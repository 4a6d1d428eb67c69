/** The statistics of the feeds, as pure functions of price columns. */

/** Rounds to `digits` decimals, so that 1399.42 − 1455.22 is sent as −55.8. */
export function round(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}

/** Like {@link round}, for a figure that may be unknown. */
export function roundOrNull(value: number | null, digits: number): number | null {
  return value === null ? null : round(value, digits);
}

/**
 * For each row the mean of the `window` rows that end with it; null while the column has fewer. Each window is summed
 * from scratch: a running sum accumulates rounding errors, which could produce a false crossing.
 */
export function movingAverage(values: readonly number[], window: number): (number | null)[] {
  return values.map((_, row) => (row + 1 < window ? null : mean(values.slice(row + 1 - window, row + 1))));
}

/**
 * For each row the annualised volatility of the `window` log returns that end with it, as a fraction (0.2 is 20 % a
 * year): their sample standard deviation (n − 1) times the square root of `rowsPerYear`. Null while the column has
 * fewer returns.
 */
export function annualisedVolatility(
  prices: readonly number[],
  { window, rowsPerYear }: { window: number; rowsPerYear: number },
): (number | null)[] {
  const returns = prices.slice(1).map((price, row) => Math.log(price / prices[row]!));
  // Row r is the end of the return r - 1.
  return prices.map((_, row) =>
    row < window ? null : sampleStandardDeviation(returns.slice(row - window, row)) * Math.sqrt(rowsPerYear),
  );
}

/** For each row how far it is below the highest row so far, as a fraction: 0 at a peak, 0.25 a quarter below it. */
export function drawdowns(values: readonly number[]): number[] {
  let peak = Number.NEGATIVE_INFINITY;
  return values.map((value) => {
    peak = Math.max(peak, value);
    return 1 - value / peak;
  });
}

/** The loss that at most 5 % of the `profits` exceed, never below 0: the element ⌊0.05 n⌋ from the worst. */
export function valueAtRisk95(profits: readonly number[]): number {
  const worstFirst = profits.toSorted((a, b) => a - b);
  return Math.max(0, -(worstFirst[Math.floor(0.05 * worstFirst.length)] ?? 0));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function sampleStandardDeviation(values: readonly number[]): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
