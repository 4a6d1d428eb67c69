/**
 * Rates that are counted per address or per subject. The counting is rate-limiter-flexible's: in Redis, where there is
 * one, so that a cluster has one count; in memory while Redis is away.
 */
import { LRUCache } from 'lru-cache';
import {
  type IRateLimiterOptions,
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import { HubError } from '../errors.js';

/** The one call that the library makes of Redis. */
export interface LimiterStore {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** The limits with a metric of their own. */
export const LIMITS = [
  'handshakes',
  'requests_per_address',
  'requests_per_connection',
  'publishes_per_connection',
  'publishes_per_subject',
  'connections_per_address',
  'connections_per_subject',
  'sockets_per_address',
] as const;
export type LimitName = (typeof LIMITS)[number];

/** Parts of a second's allowance that a node takes at a time. */
const PARTS = 20;
const MAX_KEYS = 100_000;

/** One rate, in points per second and key. */
export class Rate {
  readonly #limiter: RateLimiterAbstract;
  readonly #name: LimitName;
  readonly #perSecond: number;
  readonly #onRefused: (limit: LimitName) => void;
  /** What this node has taken of a key's allowance and not used; or until when there is none. */
  readonly #taken = new LRUCache<string, { left: number; until: number; refused: boolean }>({
    max: MAX_KEYS,
  });

  constructor(options: {
    name: LimitName;
    perSecond: number;
    store: LimiterStore | undefined;
    onRefused: (limit: LimitName) => void;
  }) {
    const { name, perSecond, store, onRefused } = options;
    this.#name = name;
    this.#perSecond = perSecond;
    this.#onRefused = onRefused;
    const common: IRateLimiterOptions = { keyPrefix: `{axiom}:rate:${name}`, points: perSecond, duration: 1 };
    const alone = new RateLimiterMemory(common);
    this.#limiter =
      store === undefined
        ? alone
        : new RateLimiterRedis({
            ...common,
            storeClient: store,
            useRedisPackage: true,
            insuranceLimiter: alone,
            inMemoryBlockOnConsumed: perSecond,
          });
  }

  /**
   * Takes points from a key's allowance, ahead for some of the next calls as well: a publisher must not cost one call
   * of Redis for each message. More than a second allows counts as all of it.
   *
   * @returns nothing where the points were there, a promise where they have to be fetched.
   * @throws HubError `rate_limited`.
   */
  take(key: string, count: number): void | Promise<void> {
    const wanted = Math.min(count, this.#perSecond);
    const taken = this.#taken.get(key);
    const now = performance.now();
    if (taken !== undefined && now < taken.until) {
      if (taken.refused) throw this.#refusal(taken.until - now);
      if (taken.left >= wanted) {
        taken.left -= wanted;
        return undefined;
      }
    }
    return this.#fetch(key, wanted);
  }

  async #fetch(key: string, wanted: number): Promise<void> {
    const part = Math.max(wanted, Math.ceil(this.#perSecond / PARTS));
    try {
      const { msBeforeNext } = await this.#limiter.consume(key, part);
      const now = performance.now();
      const before = this.#taken.get(key);
      const left = before !== undefined && !before.refused && now < before.until ? before.left : 0;
      this.#taken.set(key, { left: left + part - wanted, until: now + msBeforeNext, refused: false });
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      const ms = Math.max(1, error.msBeforeNext);
      this.#taken.set(key, { left: 0, until: performance.now() + ms, refused: true });
      throw this.#refusal(ms);
    }
  }

  #refusal(ms: number): HubError {
    this.#onRefused(this.#name);
    const retryAfterMs = Math.ceil(ms);
    return new HubError(
      'rate_limited',
      `at most ${this.#perSecond} a second; come back in ${retryAfterMs} ms`,
      {
        retryAfterMs,
      },
    );
  }
}

/** How many there are of something, by key. */
export class Tally {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string): void {
    this.#counts.set(key, this.of(key) + 1);
  }

  remove(key: string): void {
    const count = this.of(key) - 1;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }
}
