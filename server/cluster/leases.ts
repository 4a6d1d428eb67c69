/** Leases: a task that must run once per cluster runs on the node that holds its lease. */
export interface Leases {
  /**
   * Takes or renews a lease. A holder that stops renewing loses it after `ms` and may not notice at once, so the work
   * done under the lease must be harmless when done twice (feeds publish with idempotent ids).
   *
   * @returns whether `holder` has the lease now.
   */
  hold(name: string, holder: string, ms: number): Promise<boolean>;
  /** Gives a lease back, if `holder` has it. */
  release(name: string, holder: string): Promise<void>;
}

/** The leases of one node alone. */
export class SingleNodeLeases implements Leases {
  async hold(): Promise<boolean> {
    return true;
  }

  async release(): Promise<void> {
    // No other node waits for it.
  }
}
