/** Authenticates HTTP requests. The routes check what the principal may do. */
import cors from 'cors';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Gate } from '../auth/gate.js';
import { HubError } from '../errors.js';
import type { Principal } from '../hub/access.js';
import { hasPaid } from './counting.js';

/** What pages of other origins may send: what the hub reads, and what clients of event streams send unasked. */
const ALLOWED_HEADERS = [
  'Accept',
  'Authorization',
  'Cache-Control',
  'Content-Type',
  'Idempotency-Key',
  'Last-Event-ID',
  'Pragma',
  'X-Requested-With',
  'baggage',
  'traceparent',
  'tracestate',
];

/**
 * CORS: whether pages of other origins may read the answers, by the one list of origins. Event streams may be asked for
 * with cookies: a proxy chooses the node by one, and `axiom_token` is read there alone. Everywhere else a page sends
 * its token itself. A preflight is handed on with its headers set.
 */
export function crossOrigin(gate: Gate): RequestHandler {
  const answer = cors<Request>((request, decide) => {
    decide(null, {
      origin: gate.allowsOrigin(request),
      credentials: request.originalUrl.startsWith('/stream') && gate.allowsCredentials(request),
      methods: ['GET', 'HEAD', 'POST', 'DELETE'],
      allowedHeaders: ALLOWED_HEADERS,
      exposedHeaders: ['Retry-After'],
      maxAge: 600,
      preflightContinue: true,
    });
  });
  // Only browsers send an origin; caches must keep the answers with and without one apart.
  return (request, response, next) => {
    response.vary('Origin');
    if (request.headers.origin === undefined) next();
    else answer(request, response, next);
  };
}

/** Reads the token of a request, and counts the request against its subject. */
export function authenticating(gate: Gate): RequestHandler {
  return (request: Request, response: Response, next: NextFunction): void => {
    const proceed = (principal: Principal): void | Promise<void> => {
      response.locals.principal = principal;
      // A publication is counted as such.
      const held = hasPaid(response)
        ? gate.costs.spendSubject(principal)
        : gate.costs.checkPublisher(principal);
      if (held !== undefined) return held.then(() => next());
      next();
    };
    // A publisher sends the same token each time, so usually there is nothing to wait for.
    const principal = gate.identify(gate.bearer(request), gate.countedAddress(request));
    if (principal instanceof Promise) {
      principal.then(proceed).catch(next);
    } else {
      const held = proceed(principal);
      if (held !== undefined) held.catch(next);
    }
  };
}

/** The principal that sent the request. */
export function principalOf({ locals }: Response): Principal {
  return locals.principal as Principal;
}

/** Refuses requests without a token before their body is read. */
export function needsToken(_request: Request, response: Response, next: NextFunction): void {
  if (principalOf(response).subject === undefined) {
    throw new HubError('token_missing', 'publishing requires a token: Authorization: Bearer …');
  }
  next();
}

/** @throws HubError `token_missing` or `denied` unless the principal is an administrator. */
export function requireAdmin(response: Response): Principal {
  const principal = principalOf(response);
  if (principal.admin) return principal;
  throw principal.subject === undefined
    ? new HubError('token_missing', 'for administrators only: a token with "admin": true is required')
    : new HubError('denied', 'for administrators only: the token does not have "admin": true');
}
