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
/** Refusals in a second that a key gets at once. */
const PROMPT_REFUSALS = 20;
/** Refusals of one rate that are held at a time; what comes beyond is refused at once. */
const MAX_HELD = 1_000;

/** `unknown`: a node has to ask. */
type Outcome = 'taken' | 'refused' | 'unknown';

/** What a node knows of a key's allowance. */
interface Allowance {
  /** Points that were taken from the common count and not used here. */
  left: number;
  /** Until when that holds, by the process's clock. */
  until: number;
  /** There is nothing more to be had until then. */
  refused: boolean;
  /** How often it was refused since something was to be had. */
  refusals: number;
  /** Points are being taken. Never rejects. */
  fetching: Promise<void> | undefined;
}

/**
 * One rate, in points per second and key.
 *
 * A publisher must neither cost a call of Redis for each message nor wait for one. So a node takes a twentieth of the
 * allowance at a time, ahead of need; and what begins a second passes while the first part is being taken. A cluster
 * can therefore let through a twentieth more for each node. Asking first was rejected: with Redis hanging, a publish
 * would wait for the count and then once more for the log.
 *
 * Whoever is refused and asks again at once is kept waiting for the rest of the second: saying no a thousand times a
 * second to one who does not listen would cost those who do.
 */
export class Rate {
  readonly #limiter: RateLimiterAbstract;
  readonly #name: LimitName;
  readonly #perSecond: number;
  readonly #part: number;
  readonly #holds: boolean;
  readonly #onRefused: (limit: LimitName) => void;
  #held = 0;
  readonly #allowances = new LRUCache<string, Allowance>({ max: MAX_KEYS });

  /**
   * @param options.store the cluster's count; none: this node's own
   * @param options.holds whether refusals are held where there are many
   */
  constructor(options: {
    name: LimitName;
    perSecond: number;
    store: LimiterStore | undefined;
    holds?: boolean;
    onRefused: (limit: LimitName) => void;
  }) {
    const { name, perSecond, store, holds = false, onRefused } = options;
    this.#name = name;
    this.#perSecond = perSecond;
    this.#part = Math.ceil(perSecond / PARTS);
    this.#holds = holds;
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
   * Takes points from a key's allowance. More than a second allows counts as all of it.
   *
   * @returns nothing where the points were there, a promise where they have to be waited for.
   * @throws HubError `rate_limited`, with when to come back.
   */
  take(key: string, count: number): void | Promise<void> {
    const wanted = Math.min(count, this.#perSecond);
    const allowance = this.#allowance(key);
    if (performance.now() >= allowance.until && allowance.fetching === undefined) {
      void this.#fetch(key, allowance, wanted, wanted);
      return undefined;
    }
    const outcome = this.#use(allowance, wanted);
    if (outcome === 'taken') return this.#ahead(key, allowance);
    return outcome === 'refused' ? this.#refuse(allowance) : this.#wait(key, allowance, wanted);
  }

  #use(allowance: Allowance, wanted: number): Outcome {
    if (performance.now() >= allowance.until) return 'unknown';
    if (allowance.left >= wanted) {
      allowance.left -= wanted;
      return 'taken';
    }
    return allowance.refused ? 'refused' : 'unknown';
  }

  #ahead(key: string, allowance: Allowance): void {
    if (this.#part > 1 && allowance.left < this.#part / 2 && allowance.fetching === undefined) {
      void this.#fetch(key, allowance, 1, 0);
    }
  }

  async #wait(key: string, allowance: Allowance, wanted: number): Promise<void> {
    let outcome: Outcome;
    do {
      await (allowance.fetching ?? this.#fetch(key, allowance, wanted, 0));
      outcome = this.#use(allowance, wanted);
    } while (outcome === 'unknown');
    if (outcome === 'refused') await this.#refuse(allowance);
  }

  /** @param used what is used of it at once */
  #fetch(key: string, allowance: Allowance, wanted: number, used: number): Promise<void> {
    const part = Math.max(wanted, this.#part);
    const fetching = this.#limiter
      .consume(key, part)
      .then(
        ({ msBeforeNext }) => {
          // What was left is still good within the second, less what was used while this was fetched.
          const left = performance.now() < allowance.until ? allowance.left : 0;
          allowance.left = left + part - used;
          allowance.until = performance.now() + msBeforeNext;
          allowance.refused = false;
          allowance.refusals = 0;
        },
        (refusal: unknown) => {
          // Its own errors are not the client's fault: the next second is counted again.
          const refused = refusal instanceof RateLimiterRes;
          if (!refused) allowance.left = this.#part;
          else if (performance.now() >= allowance.until) allowance.left = 0;
          allowance.until = performance.now() + (refused ? Math.max(1, refusal.msBeforeNext) : 1_000);
          allowance.refused = refused;
        },
      )
      .finally(() => {
        allowance.fetching = undefined;
      });
    allowance.fetching = fetching;
    return fetching;
  }

  #allowance(key: string): Allowance {
    const known = this.#allowances.get(key);
    if (known !== undefined) return known;
    const allowance = { left: 0, until: 0, refused: false, refusals: 0, fetching: undefined };
    this.#allowances.set(key, allowance);
    return allowance;
  }

  /** @throws HubError `rate_limited`, at once or when the second is over. */
  #refuse(allowance: Allowance): Promise<never> {
    this.#onRefused(this.#name);
    allowance.refusals += 1;
    const left = Math.max(1, allowance.until - performance.now());
    if (!this.#holds || allowance.refusals <= PROMPT_REFUSALS || this.#held >= MAX_HELD)
      throw this.#refusal(left);
    this.#held += 1;
    return new Promise((_, reject) => {
      setTimeout(() => {
        this.#held -= 1;
        reject(this.#refusal(1));
      }, left).unref();
    });
  }

  #refusal(ms: number): HubError {
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
