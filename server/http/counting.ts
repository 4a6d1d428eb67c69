/** Counts HTTP requests, and the bytes of their answers, against whoever causes them. */
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Gate } from '../auth/gate.js';
import type { Principal } from '../hub/access.js';

/** What load balancers ask. */
export const HEALTH_CHECKS: ReadonlySet<string> = new Set(['/health/live', '/health/ready']);
const PUBLISHING = /^\/api\/(messages|topics\/[^/]+\/messages)$/;

/**
 * Takes the price of each request out of the bucket of its address, before anything else is done for it. Not of a
 * publication, which has its own limits, and of an event stream, which is a connection: those pay if they are refused.
 */
export function countingRequests(gate: Gate): RequestHandler {
  return (request: Request, response: Response, next: NextFunction): void => {
    const { method, path } = request;
    if (path === '/stream' || (method === 'POST' && PUBLISHING.test(path))) {
      next();
      return;
    }
    let held: void | Promise<void>;
    if (HEALTH_CHECKS.has(path)) {
      held = gate.costs.spendHealthCheck(request);
    } else {
      response.locals.paid = true;
      chargeBytes(gate, request, response);
      held = gate.costs.spend(request, method === 'OPTIONS' ? 'preflight' : 'request');
    }
    // Only a refusal is a promise.
    if (held === undefined) next();
    else held.then(() => next(), next);
  };
}

/** Whether the address of a request has paid for it. */
export function hasPaid({ locals }: Response): boolean {
  return locals.paid === true;
}

/** Bytes of the body of a request, so far as it was read or its length is declared. */
export function bodyBytes({ headers, body }: Request): number {
  const declared = Number(headers['content-length'] ?? 0) || 0;
  return Buffer.isBuffer(body) ? Math.max(body.length, declared) : declared;
}

/** Charges for the bytes of a request and its answer when that is over. Those on one connection follow one another. */
function chargeBytes(gate: Gate, request: Request, response: Response): void {
  const { socket } = request;
  const { bytesRead, bytesWritten } = socket;
  response.on('close', () => {
    const { principal } = response.locals as { principal?: Principal };
    const read = Math.max(bodyBytes(request), socket.bytesRead - bytesRead);
    gate.costs.charge(request, principal, 'bytes_read', read);
    gate.costs.charge(request, principal, 'bytes_written', socket.bytesWritten - bytesWritten);
  });
}
