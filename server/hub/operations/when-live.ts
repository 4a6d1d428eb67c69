import { HubError } from '../../errors.js';
import { sleep } from '../../time/backoff.js';
import type { StreamTail } from '../tail/stream-tail.js';

/** A read or a subscription waits this long, ms, for an unreachable log; then it is refused. */
export const READ_WAIT_MS = 5_000;

/**
 * Resolves when a stream is followed live.
 *
 * @param waitMs undefined: as long as it takes
 * @throws HubError `log_unavailable` after `waitMs`
 */
export async function whenLive(tail: StreamTail, waitMs: number | undefined): Promise<void> {
  if (tail.live) return;
  if (waitMs === undefined) return tail.whenLive();
  const given = new AbortController();
  await Promise.race([tail.whenLive(), sleep(waitMs, given.signal)]);
  given.abort();
  if (!tail.live) throw new HubError('log_unavailable', `The log of "${tail.stream}" is out of reach`);
}
