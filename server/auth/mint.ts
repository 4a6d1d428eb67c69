import { SignJWT } from 'jose';

/** What a token is to contain. */
export interface TokenOrder {
  readonly secret: string;
  /** Empty: none. */
  readonly issuer: string;
  readonly audience: string;
  readonly sub: string;
  readonly jti: string;
  readonly lastsS: number;
  readonly streams: { readonly subscribe: readonly string[]; readonly publish: readonly string[] };
  readonly admin: boolean;
}

/** Signs an HS256 token. */
export function mintToken(order: TokenOrder): Promise<string> {
  const { secret, issuer, audience, sub, jti, lastsS, streams, admin } = order;
  const now = Math.floor(Date.now() / 1000);
  const token = new SignJWT({ streams, ...(admin ? { admin } : {}) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(sub)
    .setJti(jti)
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + lastsS);
  if (issuer !== '') token.setIssuer(issuer);
  return token.sign(Buffer.from(secret));
}
