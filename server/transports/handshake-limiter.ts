/** Why a node takes no new connection. */
export type OverloadReason = 'draining' | 'rate';

export interface HandshakeLimiterOptions {
  readonly hub: { readonly draining: boolean };
  /** New connections per second, over all transports; also the largest burst. */
  readonly perSecond: number;
  /** ms; default `performance.now` */
  readonly now?: () => number;
}

/**
 * Limits new connections: a draining node accepts none, and in a storm a node accepts no more than it can set up while
 * it serves the connections that it has.
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

  /** Counts one connection. @returns why it is refused, or undefined if it is accepted */
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
