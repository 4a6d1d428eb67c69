/**
 * Verifies tokens. The configuration alone decides which algorithms, issuer and audience are accepted; what a token
 * claims is only compared with it. This refuses the algorithm `none`, and a public key used as an HS256 secret.
 *
 * A verified token is remembered by its hash until it expires, since a publisher sends the same one with every message.
 */
import { hash } from 'node:crypto';
import { type CryptoKey, errors, importSPKI, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { HubError } from '../errors.js';
import { type Clock, systemClock } from '../time/clock.js';
import { Bearer, type ReadAccess, tokenClaims } from './claims.js';
import { KeySet } from './key-set.js';

/** Characters; longer than any token that fits into a header. */
const MAX_TOKEN_LENGTH = 8 * 1024;
const REMEMBERED = 10_000;

type Key = CryptoKey | Uint8Array | JWTVerifyGetKey;

/** A key that tokens are verified with. */
export interface TokenKey {
  readonly key: Key;
  readonly algorithms: readonly string[];
}

/** The source of the key; exactly one field is set. */
export interface TokenKeyConfig {
  /** HS256, 32 bytes or more. */
  readonly secret: string;
  /** For RS256, ES256 or EdDSA: SPKI in PEM. */
  readonly publicKey: string;
  /** URL of a key set. */
  readonly jwksUrl: string;
}

/** @returns undefined if nothing is configured. @throws Error for an unreadable public key. */
export async function tokenKey(
  { secret, publicKey, jwksUrl }: TokenKeyConfig,
  clock: Clock = systemClock,
): Promise<TokenKey | undefined> {
  if (secret !== '') return { key: Buffer.from(secret), algorithms: ['HS256'] };
  if (publicKey !== '') {
    for (const algorithm of ['RS256', 'ES256', 'EdDSA']) {
      try {
        return { key: await importSPKI(publicKey, algorithm), algorithms: [algorithm] };
      } catch {
        // The key is of another type; the error below is thrown if none fits.
      }
    }
    throw new Error('JWT_PUBLIC_KEY is not an RSA, P-256 or Ed25519 public key in PEM (BEGIN PUBLIC KEY)');
  }
  if (jwksUrl === '') return undefined;
  return { key: new KeySet(jwksUrl, clock).find, algorithms: ['RS256', 'ES256', 'EdDSA'] };
}

export interface VerifierOptions extends TokenKey {
  readonly audience: string;
  /** Empty: any. */
  readonly issuer: string;
  /** Tokens with a longer remaining lifetime are refused, since revocations are kept no longer than this, ms. */
  readonly maxLifeMs: number;
  /**
   * How far the clocks of those who issue tokens may be from this one, ms: for `nbf`, `iat`, `exp` and the remaining
   * lifetime.
   */
  readonly leewayMs: number;
  readonly read: ReadAccess;
}

export class TokenVerifier {
  readonly #options: VerifierOptions;
  readonly #known = new LRUCache<string, Bearer>({ max: REMEMBERED });

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /** The bearer of a token that was verified earlier and has not expired. */
  known(token: string): Bearer | undefined {
    const bearer = this.#known.get(digest(token));
    return bearer !== undefined && bearer.expiresAt! + this.#options.leewayMs > Date.now()
      ? bearer
      : undefined;
  }

  /** @throws HubError `token_invalid` or `token_expired` with the reason; `keys_unavailable` without the key set. */
  async verify(token: string): Promise<Bearer> {
    const bearer = await this.#verify(token);
    this.#known.set(digest(token), bearer);
    return bearer;
  }

  async #verify(token: string): Promise<Bearer> {
    const { key, algorithms, audience, issuer, maxLifeMs, leewayMs, read } = this.#options;
    if (token.length > MAX_TOKEN_LENGTH) throw invalid(`it is longer than ${MAX_TOKEN_LENGTH} characters`);
    let payload: unknown;
    try {
      const options = {
        algorithms: [...algorithms],
        audience,
        ...(issuer === '' ? {} : { issuer }),
        requiredClaims: ['sub', 'exp'],
        clockTolerance: leewayMs / 1000,
      };
      // The library has one overload for a key and another for a function that finds one.
      ({ payload } =
        typeof key === 'function'
          ? await jwtVerify(token, key, options)
          : await jwtVerify(token, key, options));
    } catch (error) {
      throw explain(error, algorithms);
    }
    const claims = tokenClaims.safeParse(payload);
    if (!claims.success) {
      const [issue] = claims.error.issues;
      throw invalid(`its claim ${issue?.path.join('.') || 'streams'} is malformed: ${issue?.message}`);
    }
    const { sub, exp, iat, jti, streams, admin } = claims.data;
    const expiresAt = exp * 1000;
    const now = Date.now();
    if (expiresAt > now + maxLifeMs + leewayMs) {
      throw invalid(`it is valid for longer than the ${Math.round(maxLifeMs / 1000)} s that are accepted`);
    }
    // It would count as issued after revocations of its subject that are still to come.
    const saysIssuedAt = (iat ?? 0) * 1000;
    if (saysIssuedAt > now + leewayMs) throw invalid('its iat lies in the future');
    const issuedAt = Math.min(saysIssuedAt, now);
    try {
      return new Bearer({ sub, jti, issuedAt, expiresAt, streams, admin }, read);
    } catch (error) {
      if (error instanceof RangeError) throw invalid(`its claim streams is malformed: ${error.message}`);
      throw error;
    }
  }
}

function digest(token: string): string {
  return hash('sha256', token, 'base64');
}

function invalid(why: string): HubError {
  return new HubError('token_invalid', `the token is not accepted: ${why}`, { field: 'token' });
}

/** Explains why a token was refused without repeating any part of it. */
function explain(error: unknown, algorithms: readonly string[]): HubError {
  if (error instanceof errors.JWTExpired) {
    return new HubError('token_expired', 'the token has expired', { field: 'token' });
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    return invalid(`its algorithm is not ${algorithms.join(' or ')}`);
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud') return invalid('its audience is not this hub');
    if (error.claim === 'iss') return invalid('its issuer is not the configured one');
    if (error.claim === 'nbf') return invalid('it is not valid yet');
    return invalid(`its claim ${error.claim} is missing or wrong`);
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return invalid('its signature is wrong');
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return invalid('it does not name a key of the key set');
  }
  if (error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid) {
    return invalid('it is not a signed JWT');
  }
  // The key set did not answer, or its answer was not a key set.
  return new HubError('keys_unavailable', 'the key set for tokens cannot be fetched', { cause: error });
}
