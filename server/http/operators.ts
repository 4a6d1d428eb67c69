/** Who may see how the hub is operated: its nodes, its Redis, its versions. */
import { timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { Gate } from '../auth/gate.js';
import { ERRORS, HubError } from '../errors.js';

export interface OperatorsOptions {
  readonly gate: Gate;
  /** The bearer token of operators who are no administrators. Empty: private networks are taken for theirs. */
  readonly metricsToken: string;
}

export class Operators {
  readonly #gate: Gate;
  readonly #metricsToken: string;

  constructor({ gate, metricsToken }: OperatorsOptions) {
    this.#gate = gate;
    this.#metricsToken = metricsToken;
  }

  /** Whether the address alone is enough: only while no token is configured. */
  isNear(request: Request): boolean {
    return this.#metricsToken === '' && this.#gate.isPrivate(request);
  }

  /**
   * Whether the request has the metrics token, or that of an administrator. Whatever is wrong with a token, it is
   * neither.
   *
   * @throws HubError `banned`, `rate_limited`, `keys_unavailable`
   */
  async isNamed(request: Request): Promise<boolean> {
    const given = request.get('Authorization');
    if (given === undefined) return false;
    if (this.#metricsToken !== '' && sameText(given, `Bearer ${this.#metricsToken}`)) return true;
    try {
      const address = this.#gate.countedAddress(request);
      return (await this.#gate.identify(this.#gate.bearer(request), address)).admin;
    } catch (error) {
      if (error instanceof HubError && ERRORS[error.code].status === 401) return false;
      throw error;
    }
  }
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
