/**
 * Rate limits per address or per subject, counted by rate-limiter-flexible: in Redis if there is one, so that the whole
 * cluster shares one count, and in memory while Redis is away.
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
import { HeldRefusals } from './held-refusals.js';

/** The only Redis call that the library makes. */
export interface LimiterStore {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** The limits with a metric of their own. */
export const LIMITS = [
  'handshakes',
  'requests_per_address',
  'requests_per_subject',
  'requests_per_connection',
  'publishes_per_connection',
  'publishes_per_subject',
  'connections_per_address',
  'connections_per_subject',
  'sockets_per_address',
  'unread_bytes_per_address',
  'pipelined_per_socket',
] as const;
export type LimitName = (typeof LIMITS)[number];

/** A node takes a second's allowance in this many parts. */
const PARTS = 20;
const MAX_KEYS = 100_000;
/** Refusals of one rate that are held at a time. */
const MAX_HELD = 1_000;

/** `unknown`: the shared count must be asked. */
type Outcome = 'taken' | 'refused' | 'unknown';

/** What this node knows about a key's allowance. */
interface Allowance {
  /** Points taken from the shared count and not used yet. */
  left: number;
  /** Until when this is valid, by the process's monotonic clock, ms. */
  until: number;
  /** No more points are available until then. */
  refused: boolean;
  /** Number of refusals since points were last available. */
  refusals: number;
  /** Set while points are being taken. Never rejects. */
  fetching: Promise<void> | undefined;
}

/**
 * One rate, in points per second and key.
 *
 * A publish must neither cost a call to Redis nor wait for one. A node therefore takes a twentieth of the allowance at
 * a time, ahead of need, and the first messages of a second pass while the first part is being taken. As a result, a
 * cluster may let through a twentieth more per node. Asking first was rejected: while Redis hangs, a publish would wait
 * for the count and then again for the log.
 *
 * A client that keeps retrying immediately after a refusal gets its further refusals only at the end of the second:
 * answering it a thousand times a second would take time from the well-behaved clients.
 */
export class Rate {
  readonly #limiter: RateLimiterAbstract;
  readonly #name: LimitName;
  readonly #perSecond: number;
  readonly #part: number;
  readonly #holds: boolean;
  readonly #onRefused: (limit: LimitName) => void;
  readonly #refusals = new HeldRefusals(MAX_HELD);
  readonly #allowances = new LRUCache<string, Allowance>({ max: MAX_KEYS });

  /**
   * @param options.store the cluster's shared count; without it, this node's own
   * @param options.holds whether refusals are held back when there are many
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
   * Takes points from a key's allowance. A request for more than a second's allowance takes all of it.
   *
   * @returns undefined if the points were available, or a promise that resolves when they are.
   * @throws HubError `rate_limited`, with `retryAfterMs`.
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

  /** @param used how many of the points are used immediately */
  #fetch(key: string, allowance: Allowance, wanted: number, used: number): Promise<void> {
    const part = Math.max(wanted, this.#part);
    const fetching = this.#limiter
      .consume(key, part)
      .then(
        ({ msBeforeNext }) => {
          // Leftover points stay valid for this second, minus those used during this fetch.
          const left = performance.now() < allowance.until ? allowance.left : 0;
          allowance.left = left + part - used;
          allowance.until = performance.now() + msBeforeNext;
          allowance.refused = false;
          allowance.refusals = 0;
        },
        (refusal: unknown) => {
          // Errors of the store are not the client's fault: they are no refusal, and the next second is counted again.
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

  /** @throws HubError `rate_limited`, immediately or at the end of the second. */
  #refuse(allowance: Allowance): Promise<never> {
    this.#onRefused(this.#name);
    allowance.refusals += 1;
    const left = Math.max(1, allowance.until - performance.now());
    if (!this.#holds) throw this.#refusal(left);
    return this.#refusals.refuse(allowance.refusals, left, (ms) => this.#refusal(Math.max(1, ms)));
  }

  #refusal(ms: number): HubError {
    const retryAfterMs = Math.ceil(ms);
    return new HubError(
      'rate_limited',
      `at most ${this.#perSecond} per second; retry in ${retryAfterMs} ms`,
      {
        retryAfterMs,
      },
    );
  }
}
