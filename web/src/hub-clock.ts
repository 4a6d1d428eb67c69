/**
 * The hub's clock as seen from here. The least difference ever seen between a message's time and its arrival is the
 * difference of the two clocks plus the shortest way; nothing has to be synchronised for it.
 */
export class HubClock {
  #aheadMs: number | undefined;

  observe(hubTime: number, arrivedAt: number): void {
    const difference = arrivedAt - hubTime;
    if (this.#aheadMs === undefined || difference < this.#aheadMs) this.#aheadMs = difference;
  }

  /** The hub's time of the messages that arrive at this moment. Undefined before the first message. */
  hubTime(localTime: number): number | undefined {
    return this.#aheadMs === undefined ? undefined : localTime - this.#aheadMs;
  }

  /** When a message of this time arrived, or would have. */
  localTime(hubTime: number): number {
    return hubTime + (this.#aheadMs ?? 0);
  }
}
