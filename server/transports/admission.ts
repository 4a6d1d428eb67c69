import type { IncomingMessage, ServerResponse } from 'node:http';
import { HubError } from '../errors.js';
import type { Hub } from '../hub/hub.js';
import { sendProblem } from './problem.js';

/** What a refused handshake is told. */
export const OVERLOADED = new HubError('overloaded', 'the node takes no more connections now');

/** Why a new connection is not taken. */
export type RefusalReason = 'draining' | 'rate';

export interface AdmissionOptions {
  readonly hub: Hub;
  /** New connections per second, over all transports; as many may come at once. */
  readonly perSecond: number;
  /** ms; default `performance.now` */
  readonly now?: () => number;
}

/**
 * Whether a new connection is taken. Every handshake asks here first: a node that drains takes none, and one that is
 * stormed takes no more than it can set up while it serves those that it has. Whoever is refused gets 503 with
 * `Retry-After`, so a proxy tries the next node.
 */
export class Admission {
  /** Handshakes that were refused, for metrics. */
  readonly refused: Record<RefusalReason, number> = { draining: 0, rate: 0 };
  readonly #hub: Hub;
  readonly #perSecond: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  constructor({ hub, perSecond, now = () => performance.now() }: AdmissionOptions) {
    this.#hub = hub;
    this.#perSecond = perSecond;
    this.#now = now;
    this.#tokens = perSecond;
    this.#filledAt = now();
  }

  /** Takes one connection. @returns why not, or undefined where it is taken */
  refusal(): RefusalReason | undefined {
    const reason = this.#hub.draining ? 'draining' : this.#takeToken() ? undefined : 'rate';
    if (reason !== undefined) this.refused[reason] += 1;
    return reason;
  }

  #takeToken(): boolean {
    const now = this.#now();
    const earned = ((now - this.#filledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + earned);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** Answers a request that is refused. */
export function refuseRequest(response: ServerResponse): void {
  response.setHeader('Connection', 'close');
  sendProblem(response, OVERLOADED);
}

/** What proxies of ours add to a request: they try the next node where this one answers 503. */
const NEXT_UPSTREAM = 'x-next-upstream';

/** Whether a 503 is met by a proxy that goes on to another node, and not by the client. */
export function hasNextUpstream(request: IncomingMessage): boolean {
  return request.headers[NEXT_UPSTREAM] === '503';
}
