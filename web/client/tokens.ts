/** Asks for tokens, and again before one expires. */
import type { TokenSource } from './types.js';

const MAX_TIMER_MS = 2 ** 31 - 1;
/** A token is renewed after so much of its life. */
const RENEW_AFTER = 0.8;

export class Tokens {
  /** A new token can be had where an old one is refused. */
  readonly renewable: boolean;
  readonly #source: TokenSource | undefined;
  readonly #renew: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(source: TokenSource | undefined, renew: () => void) {
    this.renewable = typeof source === 'function';
    this.#source = source;
    this.#renew = renew;
  }

  async get(): Promise<string | undefined> {
    const token = typeof this.#source === 'function' ? await this.#source() : this.#source;
    this.stop();
    const leftMs = lifeLeftMs(token);
    if (this.renewable && leftMs !== undefined) {
      const waitMs = Math.min(Math.max(1_000, leftMs * RENEW_AFTER), MAX_TIMER_MS);
      this.#timer = setTimeout(this.#renew, waitMs);
    }
    return token;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** @returns undefined where the token is no JWT that says its end. */
function lifeLeftMs(token: string | undefined): number | undefined {
  const claims = token?.split('.')[1];
  if (claims === undefined) return undefined;
  try {
    const { exp } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))) as { exp?: number };
    return typeof exp === 'number' ? exp * 1000 - Date.now() : undefined;
  } catch {
    // Some other kind of token: it is only renewed when the hub refuses it.
    return undefined;
  }
}
