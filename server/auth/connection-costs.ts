import type { Meter, Principal, Work } from '../hub/access.js';
import { sleep } from '../time/backoff.js';
import { limitedAddress } from './addresses.js';
import type { CostMeter, Payer } from './cost-meter.js';
import { type CostName, unitsOf } from './costs.js';

/**
 * What comes with a connection, so that clients who return all at once, after their node has died, are not refused:
 * requests, and units of what they bring about, such as the messages that were missed. Connections are limited
 * themselves.
 */
export const OPENING = { requests: 32, units: 50 };
/** Work of a connection that has to wait goes on after this time, ms. */
const MAX_PACE_MS = 10_000;

/** What a connection pays with: first what came with it, then the buckets of its address and its subject. */
export class ConnectionCosts implements Meter {
  readonly #meter: Pick<CostMeter, 'take' | 'charge' | 'check' | 'waitMs'>;
  readonly #address: string | undefined;
  readonly #connection: { readonly principal: Principal };
  #openingRequests = OPENING.requests;
  #openingUnits = OPENING.units;
  /** Refused publications that are not paid for. */
  #publishesRefused = 0;

  /** @param connection its address is the key that it is counted under */
  constructor(
    meter: Pick<CostMeter, 'take' | 'charge' | 'check' | 'waitMs'>,
    connection: { readonly address: string; readonly principal: Principal },
  ) {
    this.#meter = meter;
    this.#address = limitedAddress(connection.address);
    this.#connection = connection;
  }

  /** @throws HubError `rate_limited` */
  takeRequests(count: number): void | Promise<void> {
    if (this.#openingRequests < count) return this.#meter.take(this.#payer, 'request', count);
    this.#openingRequests -= count;
    return undefined;
  }

  /**
   * Takes the price of earlier publications that were refused. They are paid for with the next one, so that those which
   * succeed cost nothing.
   *
   * @returns undefined if there are none, or they are paid for
   * @throws HubError `rate_limited`
   */
  takeRefusedPublishes(): void | Promise<void> {
    if (this.#publishesRefused === 0) return undefined;
    const held = this.#meter.take(this.#payer, 'publishes_refused', this.#publishesRefused);
    if (held === undefined) this.#publishesRefused = 0;
    return held;
  }

  charge(work: Work, amount: number): void {
    if (work === 'publishes_refused') this.#publishesRefused += amount;
    // Not out of what comes with a connection: whoever opens many would have much of it.
    else if (work === 'bytes_read') this.#meter.charge(this.#payer, work, amount);
    else this.#charge(work, amount);
  }

  check(): void {
    this.#meter.check(this.#payer);
  }

  /** As `Access.pace`. */
  pace(everything = false): void | Promise<void> {
    if (this.#openingUnits > 0 && !everything) return undefined;
    const ms = this.#meter.waitMs(this.#payer);
    return ms === 0 ? undefined : sleep(Math.min(ms, MAX_PACE_MS));
  }

  get #payer(): Payer {
    return { address: this.#address, subject: this.#connection.principal.subject };
  }

  #charge(name: CostName, amount: number): void {
    const units = unitsOf(name, amount);
    const paid = Math.min(units, this.#openingUnits);
    this.#openingUnits -= paid;
    if (paid < units) this.#meter.charge(this.#payer, name, amount * (1 - paid / units));
  }
}
