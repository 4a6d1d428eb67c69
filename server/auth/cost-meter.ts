/** Who pays for work: an address and a subject, each out of a bucket of its own. */
import type { Meter } from '../hub/access.js';
import { CostBucket } from './cost-bucket.js';
import { COST_NAMES, type CostName, unitsOf } from './costs.js';
import type { LimitName } from './limits.js';

/** Who causes work. */
export interface Payer {
  /** The key of its address; undefined if that is not counted. */
  readonly address: string | undefined;
  /** Undefined: anonymous, so only the address is counted. */
  readonly subject: string | undefined;
}

export interface CostMeterOptions {
  /** Units per second. */
  readonly perAddress: number;
  readonly perSubject: number;
  readonly onRefused: (limit: LimitName) => void;
}

export class CostMeter {
  /** Units of work that were caused, by kind, for metrics. */
  readonly units = new Map<CostName, number>(COST_NAMES.map((name) => [name, 0]));
  readonly #addresses: CostBucket;
  readonly #subjects: CostBucket;
  /** What subjects pay for publications over HTTP that are refused: apart from what they read. */
  readonly #publishers: CostBucket;

  constructor({ perAddress, perSubject, onRefused }: CostMeterOptions) {
    this.#addresses = new CostBucket({ name: 'requests_per_address', perSecond: perAddress, onRefused });
    const ofSubjects = { name: 'requests_per_subject', perSecond: perSubject, onRefused } as const;
    this.#subjects = new CostBucket(ofSubjects);
    this.#publishers = new CostBucket(ofSubjects);
  }

  /**
   * Takes the price of work that is about to be done.
   *
   * @returns undefined if both buckets have it
   * @throws HubError as {@link CostBucket.take}
   */
  take({ address, subject }: Payer, name: CostName, amount = 1): void | Promise<void> {
    const units = this.#count(name, amount);
    const held = address === undefined ? undefined : this.#addresses.take(address, units);
    if (subject === undefined) return held;
    return held === undefined
      ? this.#subjects.take(subject, units)
      : held.then(() => this.#subjects.take(subject, units));
  }

  /** Charges for work that is done. It may leave a debt, so that what follows has to wait. */
  charge({ address, subject }: Payer, name: CostName, amount: number): void {
    const units = this.#count(name, amount);
    if (units === 0) return;
    if (address !== undefined) this.#addresses.charge(address, units);
    if (subject !== undefined) this.#subjects.charge(subject, units);
  }

  /** How long work that can wait must wait, ms. */
  waitMs({ address, subject }: Payer): number {
    return Math.max(
      address === undefined ? 0 : this.#addresses.waitMs(address),
      subject === undefined ? 0 : this.#subjects.waitMs(subject),
    );
  }

  /** @throws HubError `rate_limited` if the payer owes so much that work which can stop must stop */
  check({ address, subject }: Payer): void {
    if (address !== undefined) this.#addresses.check(address);
    if (subject !== undefined) this.#subjects.check(subject);
  }

  /** Charges a subject for publications that were refused. @param bytes of their body */
  chargePublisher(subject: string, publications: number, bytes: number): void {
    const units = this.#count('publishes_refused', publications) + this.#count('bytes_read', bytes);
    this.#publishers.charge(subject, units);
  }

  /** @throws HubError `rate_limited` if a subject owes too much for publications that were refused */
  checkPublisher(subject: string): void {
    this.#publishers.check(subject);
  }

  /** What a request is charged with. */
  of(payer: Payer): Meter {
    return {
      charge: (work, amount) => this.charge(payer, work, amount),
      check: () => this.check(payer),
    };
  }

  #count(name: CostName, amount: number): number {
    const units = unitsOf(name, amount);
    this.units.set(name, this.units.get(name)! + units);
    return units;
  }
}
