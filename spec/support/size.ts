/** How much specs do: little in `npm test`, more in `npm run test:all`, which sets `SPEC_SIZE=full`. */

/** What fits the size of this run. */
export function sized<T>(sizes: { readonly quick: T; readonly full: T }): T {
  return process.env.SPEC_SIZE === 'full' ? sizes.full : sizes.quick;
}

/**
 * Options of `fc.assert`: as many runs as fit the size of this run, or `PROPERTY_RUNS`; from `PROPERTY_SEED`, which a
 * failure names, or else `seed`, or else by chance.
 */
export function propertyOptions(
  runs: { readonly quick: number; readonly full: number } = { quick: 100, full: 2_000 },
  seed?: number,
): { numRuns: number; seed?: number } {
  const { PROPERTY_RUNS, PROPERTY_SEED } = process.env;
  const from = PROPERTY_SEED === undefined ? seed : Number(PROPERTY_SEED);
  return {
    numRuns: PROPERTY_RUNS === undefined ? sized(runs) : Number(PROPERTY_RUNS),
    ...(from === undefined ? {} : { seed: from }),
  };
}
