/**
 * The environment of this process without the false clock of `npm run test:dates`, for programs that do not bear it:
 * browsers under it take minutes for a page, and Python's `sleep` fails. They do not tell the time to anybody.
 */
export function trueClock(): Record<string, string> {
  const { LD_PRELOAD = '', FAKETIME: _, ...others } = process.env;
  const libraries = LD_PRELOAD.includes('libfaketime') ? '' : LD_PRELOAD;
  const named = Object.entries(others).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...Object.fromEntries(named), ...(libraries === '' ? {} : { LD_PRELOAD: libraries }) };
}
