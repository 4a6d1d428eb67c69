/**
 * The keys of a key set (JWKS), by the ids that tokens name. Keys that are known stay in use while the set is fetched
 * again, and while its server is away. A token that names an unknown key has the set fetched, but not more often than
 * {@link ASK_AGAIN_MS} allows: anybody can send a token that names an unknown key.
 */
import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../time/clock.js';

/** Ages, ms: the set is fetched again at the first; if that fails, its keys are dropped at the second. */
const [FRESH_MS, USABLE_MS] = [600_000, 86_400_000];
/** Shortest time between two fetches, ms. */
const ASK_AGAIN_MS = 4_000;
/** Shortest time between a failed fetch and the next one, ms. */
const TRY_AGAIN_MS = 1_000;
const TIMEOUT_MS = 5_000;

export class KeySet {
  readonly #remote: ReturnType<typeof createRemoteJWKSet>;
  readonly #clock: Clock;
  #local: JWTVerifyGetKey | undefined;
  #fetchedAt = 0;
  #mayAskAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  /** Why the last fetch failed; undefined where it did not. */
  #failure: Error | undefined;

  constructor(url: string, clock: Clock) {
    this.#clock = clock;
    // It fetches when it is told to, and only then.
    this.#remote = createRemoteJWKSet(new URL(url), { timeoutDuration: TIMEOUT_MS });
  }

  /** The key of a token. @throws errors of `jose`; what the fetch failed with, where no key can be had */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const age = this.#clock.now() - this.#fetchedAt;
    if (this.#local === undefined || age > USABLE_MS) {
      await this.#ask();
      if (this.#failure !== undefined) throw this.#failure;
    } else if (age > FRESH_MS) {
      void this.#ask();
    }
    try {
      return await this.#local!(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#ask();
      // It may be a new key, which the server would name.
      if (this.#failure !== undefined) throw this.#failure;
      return await this.#local!(header, token);
    }
  };

  /** Fetches the set, if it may be asked for again. Never rejects: see {@link #failure}. */
  async #ask(): Promise<void> {
    if (this.#asking === undefined && this.#clock.now() < this.#mayAskAt) return;
    this.#asking ??= this.#fetch().finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  async #fetch(): Promise<void> {
    try {
      await this.#remote.reload();
      this.#local = createLocalJWKSet(this.#remote.jwks()!);
      this.#fetchedAt = this.#clock.now();
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#mayAskAt = this.#clock.now() + (this.#failure === undefined ? ASK_AGAIN_MS : TRY_AGAIN_MS);
  }
}
