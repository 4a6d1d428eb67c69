/** When a connection is told that its token is about to end: once for each end. */

/** How long before the end, ms, where as much is left of it twice. */
const NOTICE_MS = 60_000;

/**
 * The notice that one connection gets of the end of its token.
 *
 * A token that has less than twice the notice left when it is first seen is warned of at half of that: a client whose
 * tokens are shorter than the notice would otherwise be warned again as soon as it had brought the next one.
 */
export class ExpiryNotice {
  /** The end that the notice is about, ms since the Unix epoch. A token with the same end renews nothing. */
  #end: number | undefined;
  #dueAt = 0;

  /**
   * Whether the connection has to be told now; true once for each end.
   *
   * @param expiresAt end of the token that is in use, ms since the Unix epoch; undefined if it does not end
   * @param now ms since the Unix epoch
   */
  isDue(expiresAt: number | undefined, now: number): boolean {
    if (expiresAt !== this.#end) {
      this.#end = expiresAt;
      if (expiresAt !== undefined) this.#dueAt = expiresAt - Math.min(NOTICE_MS, (expiresAt - now) / 2);
    }
    if (expiresAt === undefined || now < this.#dueAt) return false;
    this.#dueAt = Number.POSITIVE_INFINITY;
    return true;
  }
}
