/** What an administrator's request for a revocation means: which entries of the list, and until when. */
import { setTimeout as delay } from 'node:timers/promises';
import { HubError } from '../errors.js';
import { type ApiKeys, isStoredHash } from './api-keys.js';
import { FOREVER, type Revocation } from './listed.js';
import type { RevocationRequest } from './revocation-request.js';
import type { Revocations } from './revocations.js';

export interface RevokingOptions {
  readonly revocations: Revocations;
  readonly apiKeys: ApiKeys;
  /** The longest that a token that is accepted may still last by the clock of its issuer, ms. */
  readonly maxTokenLifeMs: number;
  /** How far that clock may be from this one, ms. */
  readonly leewayMs: number;
}

/** What is in force. */
export interface Revoked extends Revocation {
  /** Whether an API key has this name, which was revoked with the tokens of its subject. */
  readonly apiKey: boolean;
}

/** Below this, ms since the Unix epoch, a moment lies before 1974: it was meant in seconds, as a token's `exp` is. */
const SECONDS_BELOW = 100_000_000_000;
/** By how much the clock of those who issue tokens may be behind for {@link revoke}'s promise, ms. */
const CLOCKS_AGREE_MS = 50;

/**
 * Revokes a token or a key, or all tokens of a subject and the key of its name.
 *
 * The `iat` of tokens has whole seconds, so one that was issued in the second of a revocation may be older or newer.
 * All of them are revoked at once, and the answer waits until the second is over: who logs in after the answer gets a
 * token that is good, and one from before the request never is.
 *
 * @throws HubError `bad_request` for an end that lies in the past, `overloaded`, `log_unavailable`.
 */
export async function revoke(
  { jti, sub, expiresAt }: RevocationRequest,
  options: RevokingOptions,
): Promise<Revoked> {
  const { revocations, apiKeys, maxTokenLifeMs, leewayMs } = options;
  const now = Date.now();
  // Until the token is accepted no more, which is a little after its own end.
  const end = expiresAt === undefined ? undefined : expiresAt + leewayMs;
  if (end !== undefined && end <= now) throw hasEnded(expiresAt!);
  const lasts = Math.min(end ?? Number.POSITIVE_INFINITY, now + maxTokenLifeMs + 2 * leewayMs);
  if (jti !== undefined) {
    const isKey = isStoredHash(jti);
    const keptUntil = isKey ? (end ?? FOREVER) : lasts;
    return {
      ...(await revocations.revoke({ kind: 'jti', value: jti, at: now, expiresAt: keptUntil })),
      apiKey: isKey,
    };
  }
  const at = Math.floor(now / 1000) * 1000 + 999;
  const key = apiKeys.hashOf(sub!);
  // A key does not end by itself, as tokens do.
  if (key !== undefined)
    await revocations.revoke({ kind: 'jti', value: key, at: now, expiresAt: end ?? FOREVER });
  const revoked = await revocations.revoke({ kind: 'sub', value: sub!, at, expiresAt: lasts });
  await delay(at + CLOCKS_AGREE_MS - Date.now());
  return { ...revoked, apiKey: key !== undefined };
}

function hasEnded(expiresAt: number): HubError {
  const unit =
    expiresAt < SECONDS_BELOW ? '; it is in ms since the Unix epoch, a token’s exp in seconds' : '';
  return new HubError('bad_request', `expiresAt: lies in the past, so it would revoke nothing${unit}`, {
    field: 'expiresAt',
  });
}
