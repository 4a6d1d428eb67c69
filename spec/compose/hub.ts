/** A hub that is looked at from outside. */
export interface Hub {
  readonly url: string;
  /** An administrator's. */
  readonly token: string;
}

/** @throws Error that says what was the case instead */
export function check(holds: boolean, instead: unknown): asserts holds {
  if (!holds) throw new Error(`it is not as it should be: ${JSON.stringify(instead)}`);
}
