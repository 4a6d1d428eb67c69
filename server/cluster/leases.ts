/** Leases: what must run once per cluster runs where its lease is held. */
export interface Leases {
  /**
   * Takes or prolongs a lease. A holder that stopped prolonging loses it after `ms`; it may not know that yet, so what
   * it does under the lease must be harmless twice (feeds publish with idempotent ids).
   *
   * @returns whether `holder` has it now.
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
    // Nobody else waits for it.
  }
}
