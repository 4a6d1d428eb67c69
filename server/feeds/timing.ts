/** The clock that the runner lives by, so that specs can turn its hands. */
export interface Timing {
  /** ms since the Unix epoch. */
  readonly now: () => number;
  /** Runs something once, `ms` from now, unless the function that it returns is called before. */
  readonly schedule: (run: () => void, ms: number) => () => void;
}

/** The machine's clock. A timer keeps the process alive until it has run or was cancelled. */
export const SYSTEM_TIMING: Timing = {
  now: Date.now,
  schedule: (run, ms) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
