import type { IncomingMessage } from 'node:http';
import type { Ack } from '@axiom-streaming/protocol/answers';
import { ERRORS, type HubError } from '../errors.js';
import type { Meter, Principal } from '../hub/access.js';
import { limitedAddress } from './addresses.js';
import type { CostMeter, Payer } from './cost-meter.js';
import type { CostName } from './costs.js';

/** What HTTP requests cost their addresses, and the subjects that send them. */
export class RequestCosts {
  readonly #meter: CostMeter;
  readonly #addressOf: (request: IncomingMessage) => string;

  /** @param addressOf the key under which the address of a request is counted */
  constructor(meter: CostMeter, addressOf: (request: IncomingMessage) => string) {
    this.#meter = meter;
    this.#addressOf = addressOf;
  }

  /**
   * Takes the price of a request or of some work out of the bucket of its address, and of its principal's subject if
   * that is known. A publication is paid for by `Gate.spendPublishes` alone.
   *
   * @throws HubError `rate_limited`
   */
  spend(request: IncomingMessage, name: CostName = 'request', principal?: Principal): void | Promise<void> {
    return this.#meter.take(this.#payerOf(request, principal), name);
  }

  /** Takes the price of a request out of the bucket of a subject, where its address has paid. */
  spendSubject({ subject }: Principal, name: CostName = 'request'): void | Promise<void> {
    return subject === undefined ? undefined : this.#meter.take({ address: undefined, subject }, name);
  }

  /**
   * Takes the price of a request that is paid for only where it is refused: a publication or an event stream.
   *
   * @param error with which it was refused
   * @param bytes of its body
   * @throws HubError `rate_limited`
   */
  spendRefused(
    request: IncomingMessage,
    principal: Principal | undefined,
    { error, bytes }: { error: HubError; bytes: number },
  ): void | Promise<void> {
    const payer = this.#payerOf(request);
    this.#meter.charge(payer, 'bytes_read', bytes);
    // What can succeed when it is repeated is not the publisher's fault.
    if (principal?.subject !== undefined && !ERRORS[error.code].retry)
      this.#meter.chargePublisher(principal.subject, 1, bytes);
    return this.#meter.take(payer, 'request');
  }

  /** Charges for the items of a batch that were refused, while others may have been published. */
  chargeItems({ subject }: Principal, results: readonly Ack<'publish'>[], bytes: number): void {
    if (subject === undefined) return;
    const refused = results.filter((result) => !result.ok && !ERRORS[result.error.code].retry).length;
    if (refused > 0 || bytes > 0) this.#meter.chargePublisher(subject, refused, Math.max(0, bytes));
  }

  /** To be called before a publication is read. @throws HubError `rate_limited` if too many others were refused */
  checkPublisher({ subject }: Principal): void {
    if (subject !== undefined) this.#meter.checkPublisher(subject);
  }

  /** Counts a health check. An address that is out of units otherwise may still ask. @throws HubError `rate_limited` */
  spendHealthCheck(request: IncomingMessage): void | Promise<void> {
    const { address } = this.#payerOf(request);
    if (address === undefined) return undefined;
    return this.#meter.take({ address: `health ${address}`, subject: undefined }, 'health_check');
  }

  /** Charges for work that a request has caused. */
  charge(request: IncomingMessage, principal: Principal | undefined, name: CostName, amount: number): void {
    this.#meter.charge(this.#payerOf(request, principal), name, amount);
  }

  /** What the hub charges for a request. */
  meter(request: IncomingMessage, principal: Principal): Meter {
    return this.#meter.of(this.#payerOf(request, principal));
  }

  /** The key under which the address of a request pays; undefined: it does not. */
  payingAddress(request: IncomingMessage): string | undefined {
    return limitedAddress(this.#addressOf(request));
  }

  #payerOf(request: IncomingMessage, principal?: Principal): Payer {
    return { address: this.payingAddress(request), subject: principal?.subject };
  }
}
