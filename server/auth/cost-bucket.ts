/** How much work each address or subject may cause, by a bucket of units that fills up again. */
import { LRUCache } from 'lru-cache';
import { HubError } from '../errors.js';
import { HeldRefusals } from './held-refusals.js';
import type { LimitName } from './limits.js';

/** Whoever is pushed out by newer ones starts again with a full bucket. */
const MAX_KEYS = 100_000;
/** Work that can wait or stop does so when its payer owes what the bucket earns in this time. */
const STOPS_AT_S = 10;
/** Nobody owes more, whatever was done, so nobody is shut out for longer. */
const MAX_DEBT_S = 20;
/** For how long a refusal is held, ms: longer than a unit takes, so that a client that keeps asking gains nothing. */
const HOLD_MS = 1_000;
/** Refusals that are held at a time: more than one address has connections. */
const MAX_HELD = 4_000;

interface Account {
  /** Units; negative: owed. */
  balance: number;
  /** When it was brought up to date, ms. */
  at: number;
  /** Within the second that began at `refusedSince`. */
  refusals: number;
  /** ms */
  refusedSince: number;
}

export interface CostBucketOptions {
  readonly name: LimitName;
  /** Units; also the most that a bucket holds. */
  readonly perSecond: number;
  readonly onRefused: (limit: LimitName) => void;
  /** ms of a clock that is never set. Default: the process's. */
  readonly now?: () => number;
}

/**
 * Buckets of units, one for each key, in the memory of this node.
 *
 * Work whose size is known is taken before it is done, and refused where the bucket does not have it. What is known
 * only afterwards (messages walked over, bytes of an answer) is charged, and may leave a debt, so that what follows has
 * to wait. rate-limiter-flexible, which counts everything else, forgets a debt with its window.
 */
export class CostBucket {
  readonly #options: CostBucketOptions;
  readonly #now: () => number;
  readonly #accounts = new LRUCache<string, Account>({ max: MAX_KEYS });
  readonly #refusals = new HeldRefusals(MAX_HELD);

  constructor(options: CostBucketOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Takes units. More than a full bucket is taken as a full bucket.
   *
   * @returns undefined if they were there
   * @throws HubError `rate_limited`, with `retryAfterMs`, at once, or later for a client that keeps asking
   */
  take(key: string, units: number): void | Promise<void> {
    const { perSecond } = this.#options;
    const account = this.#account(key);
    const wanted = Math.min(units, perSecond);
    if (account.balance < wanted) return this.#refuse(account, wanted);
    account.balance -= wanted;
    return undefined;
  }

  /** Charges for work that is done. */
  charge(key: string, units: number): void {
    const account = this.#account(key);
    account.balance = Math.max(account.balance - units, -MAX_DEBT_S * this.#options.perSecond);
  }

  /** How long work that can wait must wait for what its payer owes, ms. */
  waitMs(key: string): number {
    return Math.max(0, this.#owesMs(key) - STOPS_AT_S * 1000);
  }

  /** @throws HubError `rate_limited` if work that can stop must stop */
  check(key: string): void {
    if (this.waitMs(key) === 0) return;
    this.#options.onRefused(this.#options.name);
    throw this.#refusal(this.#owesMs(key));
  }

  /** How long it takes to earn what is owed, ms. */
  #owesMs(key: string): number {
    // Whoever only asks gets no account.
    if (!this.#accounts.has(key)) return 0;
    return Math.max(0, (-this.#account(key).balance / this.#options.perSecond) * 1000);
  }

  #account(key: string): Account {
    const { perSecond } = this.#options;
    const now = this.#now();
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = { balance: perSecond, at: now, refusals: 0, refusedSince: now };
      this.#accounts.set(key, account);
      return account;
    }
    account.balance = Math.min(perSecond, account.balance + ((now - account.at) / 1000) * perSecond);
    account.at = now;
    return account;
  }

  #refuse(account: Account, wanted: number): Promise<never> {
    this.#options.onRefused(this.#options.name);
    if (account.at - account.refusedSince > HOLD_MS) {
      account.refusals = 0;
      account.refusedSince = account.at;
    }
    account.refusals += 1;
    const ms = ((wanted - account.balance) / this.#options.perSecond) * 1000;
    return this.#refusals.refuse(account.refusals, HOLD_MS, (left) => this.#refusal(ms - HOLD_MS + left));
  }

  #refusal(ms: number): HubError {
    const retryAfterMs = Math.ceil(Math.max(1, ms));
    const { perSecond } = this.#options;
    return new HubError(
      'rate_limited',
      `at most ${perSecond} units of work per second; retry in ${retryAfterMs} ms`,
      { retryAfterMs },
    );
  }
}
