/** The clock of the runner, which specs replace. */
export interface Timing {
  /** ms since the Unix epoch. */
  readonly now: () => number;
  /** Runs something once, `ms` from now. The function that it returns cancels it. */
  readonly schedule: (run: () => void, ms: number) => () => void;
}

/** The system clock. A timer keeps the process alive until it has run or was cancelled. */
export const SYSTEM_TIMING: Timing = {
  now: Date.now,
  schedule: (run, ms) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
