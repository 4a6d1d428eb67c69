/** Who asks over HTTP. The routes ask what they may do. */
import cors from 'cors';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Gate } from '../auth/gate.js';
import { HubError } from '../errors.js';
import type { Principal } from '../hub/access.js';

/** Answers whether pages of other origins may read what they are sent, from the one list of origins. */
export function crossOrigin(gate: Gate): RequestHandler {
  const answer = cors((request, decide) => {
    decide(null, {
      // Without credentials: a page of another origin sends its token itself, never the cookie of this one.
      origin: gate.allowsOrigin(request),
      methods: ['GET', 'HEAD', 'POST', 'DELETE'],
      allowedHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID'],
      exposedHeaders: ['Retry-After'],
      maxAge: 600,
    });
  });
  // Only browsers say where they come from; caches may not mix the two.
  return (request, response, next) => {
    response.vary('Origin');
    if (request.headers.origin === undefined) next();
    else answer(request, response, next);
  };
}

/** Counts each request against its address, and reads its token. */
export function authenticating(gate: Gate): RequestHandler {
  return (request: Request, response: Response, next: NextFunction): void => {
    const address = gate.countedAddress(request);
    const identify = () => gate.identify(gate.bearer(request), address);
    const proceed = (principal: Principal) => {
      response.locals.principal = principal;
      next();
    };
    // One after the other: of two that fail together, one would have nobody to catch it.
    const spent = request.method === 'POST' ? undefined : gate.spendRequest(request);
    const principal = spent === undefined ? identify() : spent.then(identify);
    // A publisher comes with the same token each time: nothing has to be waited for.
    if (principal instanceof Promise) principal.then(proceed, next);
    else proceed(principal);
  };
}

/** Who sent the request that is answered. */
export function principalOf({ locals }: Response): Principal {
  return locals.principal as Principal;
}

/** Refuses who has said nothing of themselves, before their body is read. */
export function needsToken(_request: Request, response: Response, next: NextFunction): void {
  if (principalOf(response).subject === undefined) {
    throw new HubError('token_missing', 'to publish a token is needed: Authorization: Bearer …');
  }
  next();
}

/** @throws HubError `token_missing` or `denied` for everybody but administrators. */
export function requireAdmin(response: Response): Principal {
  const principal = principalOf(response);
  if (principal.admin) return principal;
  throw principal.subject === undefined
    ? new HubError('token_missing', 'for administrators: a token with "admin": true is needed')
    : new HubError('denied', 'for administrators: the token has no "admin": true');
}
