import { expect } from 'chai';
import { generateKeyPair, SignJWT } from 'jose';
import type { RunningNode } from '../../server/node/start-node.js';
import { call } from '../support/http.js';
import { bearer, SECRET, startSecuredApp, token } from './support.js';

/** What may be the matter with the token that somebody brings. */
export type State =
  | 'none'
  | 'expired'
  | 'audience'
  | 'nameless'
  | 'alg none'
  | 'confused'
  | 'narrow'
  | 'right'
  | 'revoked';
export const STATES: readonly State[] = [
  'none',
  'expired',
  'audience',
  'nameless',
  'alg none',
  'confused',
  'narrow',
  'right',
  'revoked',
];
/** What a credential that is not accepted is answered with, wherever one is looked at. */
export const REFUSED: Partial<Record<State, string>> = {
  expired: '401 token_expired',
  audience: '401 token_invalid',
  nameless: '401 token_invalid',
  'alg none': '401 token_invalid',
  confused: '401 token_invalid',
  revoked: '401 token_revoked',
};

/** A node, and tokens of each state: of a user, and of an administrator. */
export interface NodeWithTokens {
  readonly app: RunningNode;
  readonly tokens: Readonly<Record<State, string>>;
  readonly admins: Readonly<Record<State, string>>;
}

/** Starts a node that has a message of `news:a` and of `portfolio:p1`. The caller stops it. */
export async function startWithTokens(): Promise<NodeWithTokens> {
  const app = await startSecuredApp();
  const [tokens, admins] = [await tokensOf({}), await tokensOf({ admin: true })];
  for (const topic of ['news:a', 'portfolio:p1']) {
    await call('POST', `${app.url}/api/topics/${topic}/messages`, '1', bearer(tokens.right));
  }
  const { status } = await call(
    'POST',
    `${app.url}/api/revocations`,
    '{"jti":"revoked"}',
    bearer(await token({ admin: true })),
  );
  expect(status).to.equal(201);
  return { app, tokens, admins };
}

async function tokensOf(claims: { admin?: true }): Promise<Record<State, string>> {
  const everything = {
    subscribe: ['portfolio:*', 'signals:*'],
    publish: ['portfolio:*', 'news:*'],
    ...claims,
  };
  const { privateKey } = await generateKeyPair('RS256');
  const payload = { streams: everything, ...claims };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 300;
  return {
    none: '',
    expired: await token({ ...everything, lastsS: -60 }),
    audience: await token({ ...everything, aud: 'another' }),
    // Signed with the right key, but without `sub`.
    nameless: await new SignJWT(payload)
      .setProtectedHeader({ alg: 'HS256' })
      .setAudience('axiom-streaming')
      .setExpirationTime(exp)
      .sign(Buffer.from(SECRET)),
    'alg none': `${encode({ alg: 'none' })}.${encode({ ...payload, sub: 'alice', aud: 'axiom-streaming', exp })}.`,
    confused: await new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256' })
      .setSubject('alice')
      .setAudience('axiom-streaming')
      .setExpirationTime(exp)
      .sign(privateKey),
    // One key of a stream, and not the one that is asked for.
    narrow: await token({ subscribe: ['portfolio:p2'], publish: ['portfolio:p2'] }),
    right: await token(everything),
    revoked: await token({ ...everything, jti: 'revoked' }),
  };
}
