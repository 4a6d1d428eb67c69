/** What the specs of access share: a secured node, and tokens of every kind. */
import { SignJWT } from 'jose';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';

export const SECRET = 'the secret of the specs, 32 bytes and more';

export interface Claims {
  readonly sub?: string;
  readonly aud?: string;
  readonly iss?: string;
  readonly jti?: string;
  /** Seconds from now. Default 300. */
  readonly lastsS?: number;
  /** Seconds from now. */
  readonly notBeforeS?: number;
  readonly issuedS?: number;
  readonly subscribe?: readonly string[];
  readonly publish?: readonly string[];
  readonly admin?: boolean;
  readonly secret?: string;
}

/** An HS256 token as the hub wants it, unless a claim says otherwise. */
export function token(claims: Claims = {}): Promise<string> {
  const {
    sub = 'alice',
    aud = 'axiom-streaming',
    iss,
    jti,
    lastsS = 300,
    notBeforeS,
    issuedS = 0,
    admin,
  } = claims;
  const { subscribe = [], publish = [], secret = SECRET } = claims;
  const now = Math.floor(Date.now() / 1000);
  const signed = new SignJWT({ streams: { subscribe, publish }, ...(admin === undefined ? {} : { admin }) })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setAudience(aud)
    .setIssuedAt(now + issuedS)
    .setExpirationTime(now + lastsS);
  if (iss !== undefined) signed.setIssuer(iss);
  if (jti !== undefined) signed.setJti(jti);
  if (notBeforeS !== undefined) signed.setNotBefore(now + notBeforeS);
  return signed.sign(Buffer.from(secret));
}

/** A node that wants tokens. */
export function startSecuredApp(environment: Readonly<Record<string, string>> = {}): Promise<RunningNode> {
  return startTestApp({ JWT_SECRET: SECRET, PUBLISH_KEY: '', ...environment });
}

/** A header with a token. */
export function bearer(text: string): Record<string, string> {
  return { Authorization: `Bearer ${text}` };
}

/** No header at all: the helpers of the specs would send their own. */
export const ANONYMOUS = { Authorization: '' };

/** What a rate lets through in all since `startedMs`: it counts by the second, and one more second may be touched. */
export function atMost(perSecond: number, startedMs: number): number {
  return perSecond * (Math.ceil((performance.now() - startedMs) / 1_000) + 1);
}
