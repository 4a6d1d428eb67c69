/** Waits for conditions. Specs never sleep for a guess. */
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 5;
/**
 * How many times longer than asked `until` waits before it gives up: conditions decide, not limits, and a machine may
 * be slower or busier than the one on which a limit was written.
 */
const PATIENCE = 6;

/** The limit of a promise of time, for a machine that is slower or busier than the one that it was made for. */
export function patient(ms: number): number {
  return ms * PATIENCE;
}

/** Resolves when `condition` holds. @throws Error that says what was waited for, and what was the case instead. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  options: { withinMs?: number; instead?: () => unknown } = {},
): Promise<void> {
  const { withinMs = 10_000, instead } = options;
  const waitMs = patient(withinMs);
  const deadline = performance.now() + waitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) {
      const actual = instead === undefined ? '' : `; instead: ${JSON.stringify(instead())}`;
      throw new Error(`waited ${waitMs} ms in vain until ${what}${actual}`);
    }
    await delay(POLL_MS);
  }
}
