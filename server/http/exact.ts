/**
 * Paths are matched to the letter. Express would take `/METRICS/` for `/metrics`, and what a proxy allows or denies by
 * path could be had by another spelling.
 */
export const EXACT = { caseSensitive: true, strict: true } as const;
