/**
 * The HTTP routes of the hub as one table, from which `/openapi.json` is made. A spec compares it with the router and
 * runs each example against a node.
 */
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { OPERATING_ROUTES } from './operating-routes.js';
import { PUBLISHING_ROUTES } from './publishing-routes.js';
import { READING_ROUTES } from './reading-routes.js';
import type { Route } from './route.js';

const OF_TOKENS: readonly ErrorCode[] = [
  'token_invalid',
  'token_expired',
  'token_revoked',
  'banned',
  'keys_unavailable',
];

export const ROUTES: readonly Route[] = [...PUBLISHING_ROUTES, ...READING_ROUTES, ...OPERATING_ROUTES];

/** Error codes that any route may answer with. */
export function errorsOf({ token, method, errors }: Route): readonly ErrorCode[] {
  const everywhere: ErrorCode[] = ['bad_request', 'denied', 'internal'];
  const ofTokens = token === 'none' ? [] : [...OF_TOKENS, 'rate_limited' as const];
  const all = new Set<ErrorCode>([...everywhere, ...ofTokens, ...errors]);
  if (method === 'post') all.add('rate_limited');
  return [...all];
}
