import type { Hub } from '../hub/hub.js';

/** Room for acknowledgements and answers of `history` beside a connection's budget. */
const ANSWERS_BYTES = 4 * 1024 * 1024;

/**
 * A socket for which more than this waits, bytes, is ended as slow when its client asks for more: its messages have a
 * budget, but every request brings at least an acknowledgement, and a client that never reads could ask forever.
 */
export function unreadBound({ limits }: Hub): number {
  return limits.connectionBudgetBytes + ANSWERS_BYTES;
}
