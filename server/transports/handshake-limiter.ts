/** Why a node takes no new connection. */
export type OverloadReason = 'draining' | 'rate';

export interface HandshakeLimiterOptions {
  readonly hub: { readonly draining: boolean };
  /** New connections per second, over all transports; as many may come at once. */
  readonly perSecond: number;
  /** ms; default `performance.now` */
  readonly now?: () => number;
}

/**
 * What a node can take: one that drains takes no new connection, and one that is stormed takes no more than it can set
 * up while it serves those that it has.
 */
export class HandshakeLimiter {
  readonly #hub: { readonly draining: boolean };
  readonly #perSecond: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  constructor({ hub, perSecond, now = () => performance.now() }: HandshakeLimiterOptions) {
    this.#hub = hub;
    this.#perSecond = perSecond;
    this.#now = now;
    this.#tokens = perSecond;
    this.#filledAt = now();
  }

  /** Counts one connection. @returns why it is not taken, or undefined where it is */
  take(): OverloadReason | undefined {
    if (this.#hub.draining) return 'draining';
    return this.#takeToken() ? undefined : 'rate';
  }

  #takeToken(): boolean {
    const now = this.#now();
    const earned = ((now - this.#filledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + earned);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
