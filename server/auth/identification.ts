/** Who a caller is: a token, a key or a ticket becomes a principal, unless it was revoked or its owner is banned. */
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { HubError } from '../errors.js';
import type { Principal } from '../hub/access.js';
import { limitedAddress } from './addresses.js';
import { type ApiKeys, looksLikeApiKey } from './api-keys.js';
import { Bearer } from './claims.js';
import type { Revocations } from './revocations.js';
import type { IssuedTicket, Tickets } from './tickets.js';
import type { TokenVerifier } from './verifier.js';

/** What callers are identified with. */
export interface Credentials {
  /** No secret is configured: everything may be read without a token, but only from this machine. */
  readonly development: boolean;
  /** Undefined if only keys are configured. */
  readonly verifier: TokenVerifier | undefined;
  readonly apiKeys: ApiKeys;
  readonly revocations: Revocations;
  readonly tickets: Tickets;
}

/** Why tokens and keys are refused. The last two are not the sender's fault. */
const FAILURES: readonly string[] = [
  'token_invalid',
  'token_expired',
  'token_revoked',
  'keys_unavailable',
  'internal',
] satisfies ErrorCode[];

export interface IdentificationCounters {
  readonly tokens: { cached: number; accepted: number; refused: number };
  /** Refused tokens and keys, by error code. */
  readonly failures: Map<string, number>;
}

interface Surroundings {
  /** The principal of callers without a credential. */
  readonly nobody: Principal;
  /** Counts a wrong credential from an address, which limits guessing. @throws HubError `rate_limited` */
  readonly guessed: (address: string) => void | Promise<void>;
}

export class Identification {
  readonly counters: IdentificationCounters = {
    tokens: { cached: 0, accepted: 0, refused: 0 },
    failures: new Map(FAILURES.map((reason) => [reason, 0])),
  };
  readonly #credentials: Credentials;
  readonly #surroundings: Surroundings;

  constructor(credentials: Credentials, surroundings: Surroundings) {
    this.#credentials = credentials;
    this.#surroundings = surroundings;
  }

  /**
   * The principal that a token or a key identifies; nobody without a credential.
   *
   * @param address a counted address; its failures are counted too, which limits guessing
   * @throws HubError `banned`, `token_invalid`, `token_expired`, `token_revoked`, `keys_unavailable`, `rate_limited`
   */
  identify(credential: string, address: string): Bearer | Promise<Bearer>;
  identify(credential: string | undefined, address: string): Principal | Promise<Principal>;
  identify(credential: string | undefined, address: string): Principal | Promise<Principal> {
    this.#checkBan(undefined, address);
    if (credential === undefined) return this.#surroundings.nobody;
    const { verifier, apiKeys } = this.#credentials;
    const known = apiKeys.find(credential) ?? verifier?.known(credential);
    if (known === undefined) return this.#verify(credential, address);
    this.counters.tokens.cached += 1;
    return this.#inForce(known, address);
  }

  /**
   * The principal that a ticket identifies.
   *
   * @throws HubError `banned`, `token_invalid`, `token_expired`, `token_revoked`, `log_unavailable`.
   */
  async redeem(ticket: string, address: string): Promise<Principal> {
    this.#checkBan(undefined, address);
    const bearer = await this.#credentials.tickets.redeem(ticket);
    const current = this.#keyNow(bearer);
    if (current === undefined) throw revoked();
    return this.#inForce(current, address);
  }

  /** The principal as it is now: undefined if it was revoked, another one if its key allows something else now. */
  current(principal: Principal): Principal | undefined {
    const current = principal instanceof Bearer ? this.#keyNow(principal) : principal;
    return current !== undefined && this.#credentials.revocations.revokes(current) ? undefined : current;
  }

  /** The bearer of a key that was removed is undefined, that of a key that was changed another one. */
  #keyNow(bearer: Bearer): Bearer | undefined {
    return bearer.expiresAt === undefined ? this.#credentials.apiKeys.current(bearer) : bearer;
  }

  /**
   * Issues a ticket for a principal.
   *
   * @throws HubError `token_missing`, `token_expired`, `overloaded`, `log_unavailable`.
   */
  issueTicket(principal: Principal): Promise<IssuedTicket> {
    if (principal instanceof Bearer) return this.#credentials.tickets.issue(principal);
    throw new HubError('token_missing', 'a ticket requires a token, and none was sent');
  }

  async #verify(credential: string, address: string): Promise<Bearer> {
    try {
      const { verifier, development } = this.#credentials;
      if (verifier === undefined || looksLikeApiKey(credential)) {
        const what = development ? 'it is not the publish key of this run' : 'the key is unknown';
        throw new HubError('token_invalid', `the token is not accepted: ${what}`, { field: 'token' });
      }
      const bearer = this.#inForce(await verifier.verify(credential), address);
      this.counters.tokens.accepted += 1;
      return bearer;
    } catch (error) {
      this.counters.tokens.refused += 1;
      const { failures } = this.counters;
      const reason = error instanceof HubError ? error.code : 'internal';
      failures.set(reason, (failures.get(reason) ?? 0) + 1);
      if (limitedAddress(address) !== undefined) await this.#surroundings.guessed(address);
      throw error;
    }
  }

  /** @throws HubError `banned`, with the time that is left */
  #checkBan(subject: string | undefined, address: string): void {
    const retryAfterMs = this.#credentials.revocations.bannedForMs(subject, address);
    if (retryAfterMs === 0) return;
    const who = subject === undefined ? 'this address' : 'this subject';
    throw new HubError(
      'banned',
      `an operator keeps ${who} away for another ${Math.ceil(retryAfterMs / 1000)} s`,
      {
        retryAfterMs: Math.ceil(retryAfterMs),
      },
    );
  }

  #inForce(bearer: Bearer, address: string): Bearer {
    this.#checkBan(bearer.subject, address);
    if (this.#credentials.revocations.revokes(bearer)) throw revoked();
    return bearer;
  }
}

function revoked(): HubError {
  return new HubError('token_revoked', 'the token was revoked', { field: 'token' });
}
