/**
 * Counts what a resumed connection catches up on.
 *
 * A message was missed if it would have arrived before the reconnect. Counting all that comes before the `position`
 * which ends the backfill would be wrong: a stream that has caught up goes on live while the next one is read.
 */
export class CatchUp {
  count: number;
  readonly #missedBefore: number;

  /** @param hubTimeAtReconnect undefined where no message has told the hub's clock yet: then all of them count. */
  constructor(hubTimeAtReconnect: number | undefined, alreadyCounted: number) {
    this.count = alreadyCounted;
    this.#missedBefore = hubTimeAtReconnect ?? Number.POSITIVE_INFINITY;
  }

  /** @returns true for a message that was missed. */
  add(messageTime: number): boolean {
    const missed = messageTime < this.#missedBefore;
    if (missed) this.count += 1;
    return missed;
  }
}
