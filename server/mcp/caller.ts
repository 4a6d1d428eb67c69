import type { Meter, Principal } from '../hub/access.js';

/** The caller of one request. */
export interface Caller {
  readonly principal: Principal;
  /** What reading is charged to. */
  readonly meter: Meter;
  /** The key that its address is counted under; undefined: it is not counted. */
  readonly address: string | undefined;
  /** Charges publishes to the caller's rate limit. @throws HubError `rate_limited`. */
  spendPublishes(count: number): void | Promise<void>;
}
