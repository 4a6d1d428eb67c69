/**
 * The hub's questions about who may read and write. `auth/` answers them; the hub knows neither tokens nor keys.
 *
 * A topic for a whole stream needs its own grant: a principal that may read `portfolio:p1` may not therefore read
 * `portfolio:*`, neither all of it nor the part that the grant covers. Handing out the part was rejected: a client
 * that expects to read everything would silently miss the rest.
 */

import { type Topic, topicName } from '@axiom-streaming/protocol/topic';
import { HubError } from '../errors.js';

/** The identity behind a request, and what it may do. Immutable: another token is another principal. */
export interface Principal {
  /** The owner of the token or key. Undefined: anonymous. */
  readonly subject: string | undefined;
  /** `jti` of the token, if it has one; the stored hash of an API key. */
  readonly tokenId: string | undefined;
  /** When the token was issued, ms since the Unix epoch; 0 if unknown. Of an API key: since when it is accepted. */
  readonly issuedAt: number;
  /** When the token expires, ms since the Unix epoch. Undefined: never. */
  readonly expiresAt: number | undefined;
  /** May revoke tokens, and see and cut connections. */
  readonly admin: boolean;
  /** Whether there is anything that it may publish to. */
  readonly publishes: boolean;
  mayRead(topic: Topic): boolean;
  mayPublish(topic: Topic): boolean;
  /** Whether there is anything in a stream that it may read. */
  sees(stream: string): boolean;
}

/** A principal that a token or a key identifies: never an anonymous one. */
export interface NamedPrincipal extends Principal {
  readonly subject: string;
}

/** Kinds of work of the hub that are paid for by their amount. `auth/costs.ts` has the prices. */
export type Work =
  | 'keys_listed'
  | 'topics'
  | 'topics_kept'
  | 'messages_walked'
  | 'messages_read'
  | 'messages_written'
  | 'bytes_read'
  | 'bytes_written'
  | 'publishes_refused';

/** Whoever has to pay for work. */
export interface Meter {
  /** Charges for work that is done. Never refuses: a debt delays what follows. */
  charge(work: Work, amount: number): void;
  /** To be called between two pieces of work. @throws HubError `rate_limited` if too much is owed to go on. */
  check(): void;
}

/** Counts nothing. */
export const FREE: Meter = { charge: () => undefined, check: () => undefined };

/** What a connection may do now, what it costs, and how it takes another identity. */
export interface Access extends Meter {
  /** The principal at this moment. */
  readonly principal: Principal;
  /** Takes another token. Does not check what the connection reads. @throws HubError if the token is not accepted. */
  renew(token: string): Promise<NamedPrincipal>;
  /** Takes requests out of the connection's allowance. @throws HubError `rate_limited`, with when to retry. */
  spend(what: 'request' | 'publish', count: number): void | Promise<void>;
  /**
   * As {@link check}, for work that must not be refused, because a client that comes back needs it: resolves when it
   * may go on. Undefined: now.
   *
   * @param everything whether what comes with a connection does not count, for work that no client needs; default false
   */
  pace(everything?: boolean): void | Promise<void>;
}

/** May do everything: the principal of the hub itself and of its own feeds. */
export const HUB_ITSELF: Principal = {
  subject: 'hub',
  tokenId: undefined,
  issuedAt: 0,
  expiresAt: undefined,
  admin: true,
  publishes: true,
  mayRead: () => true,
  mayPublish: () => true,
  sees: () => true,
};

/** The access of a subscriber that no transport made. */
export const FULL_ACCESS: Access = {
  principal: HUB_ITSELF,
  renew: () => Promise.reject(new HubError('unsupported', 'this connection needs no token')),
  spend: () => undefined,
  pace: () => undefined,
  ...FREE,
};

/** @throws HubError `token_missing` or `denied` if a principal may not read a topic. */
export function requireRead(principal: Principal, topic: Topic, field: string): void {
  if (!principal.mayRead(topic)) throw refusal(principal, 'read', topic, field);
}

/** @throws HubError `token_missing` or `denied` if a principal may not publish to a topic. */
export function requirePublish(principal: Principal, topic: Topic, field: string): void {
  if (!principal.mayPublish(topic)) throw refusal(principal, 'publish to', topic, field);
}

function refusal({ subject }: Principal, what: string, { stream, key }: Topic, field: string): HubError {
  const topic = topicName(stream, key);
  return subject === undefined
    ? new HubError('token_missing', `${field}: to ${what} ${topic} a token is needed`, { field })
    : new HubError('denied', `${field}: the token does not allow to ${what} ${topic}`, { field });
}
