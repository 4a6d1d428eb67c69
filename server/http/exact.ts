/**
 * Paths are matched exactly. Express would treat `/METRICS/` as `/metrics`, so another spelling could get around what a
 * proxy denies by path.
 */
export const EXACT = { caseSensitive: true, strict: true } as const;
