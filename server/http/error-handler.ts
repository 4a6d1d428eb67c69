import type { NextFunction, Request, Response } from 'express';
import type { Gate } from '../auth/gate.js';
import { describeError, ERRORS, HubError } from '../errors.js';
import type { Principal } from '../hub/access.js';
import type { Logger } from '../logger.js';
import type { ErrorCounts } from '../telemetry/metrics.js';
import { sendProblem } from '../transports/problem.js';
import type { SseTransport } from '../transports/sse/sse-transport.js';
import { bodyBytes, hasPaid } from './counting.js';

/** The error handler for everything that a route throws. It never shows a stack trace to the user. */
export function problemHandler(logger: Logger, counts: ErrorCounts, gate: Gate, sse: SseTransport) {
  return (error: unknown, request: Request, response: Response, next: NextFunction): void => {
    const report = (thrown: unknown): HubError => {
      const known = toHubError(thrown);
      counts.count(known.code);
      if (known.code === 'internal') {
        logger.error(
          { method: request.method, path: request.path, error: describeError(thrown) },
          'http: unexpected error',
        );
      }
      return known;
    };
    const known = report(error);
    const answer = () => {
      if (response.headersSent) next(error);
      else if (request.path === '/stream') sse.refuse(request, response, known);
      else sendProblem(response, known);
    };
    if (!owes(request, response, known)) {
      answer();
      // Its body would have to be read to the end.
      if (known.code === 'rate_limited' && request.method === 'POST') request.socket.destroy();
      return;
    }
    limitOf(request, response, gate, known)
      .catch((thrown: unknown) => {
        report(thrown);
        return undefined;
      })
      .then((refusal) => {
        if (refusal === undefined) {
          answer();
        } else if (request.method === 'POST') {
          answer();
          request.socket.destroy();
        } else {
          sendProblem(response, refusal);
        }
      })
      .catch(next);
  };
}

/**
 * Whether a refused request has to pay only now: a publication, or an event stream that will not be served when it is
 * asked for again.
 */
function owes({ method }: Request, response: Response, { code }: HubError): boolean {
  return !hasPaid(response) && (method === 'POST' || !ERRORS[code].retry);
}

/**
 * A refused request may have an unread body, which must be read to the end before the connection can be used again. An
 * address that keeps sending such bodies waits for its answer, and is cut.
 *
 * @returns the refusal of the limiter, if there is one
 * @throws whatever else hinders it
 */
async function limitOf(
  request: Request,
  response: Response,
  gate: Gate,
  error: HubError,
): Promise<HubError | undefined> {
  try {
    const { principal } = response.locals as { principal?: Principal };
    await gate.costs.spendRefused(request, principal, { error, bytes: bodyBytes(request) });
    return undefined;
  } catch (refusal) {
    if (refusal instanceof HubError && refusal.code === 'rate_limited') return refusal;
    throw refusal;
  }
}

/** Errors of Express and its body parser carry a status and a type. */
function toHubError(error: unknown): HubError {
  if (error instanceof HubError) return error;
  const { status, type, message, limit } = error as {
    status?: unknown;
    type?: unknown;
    message?: unknown;
    limit?: unknown;
  };
  if (type === 'entity.too.large') {
    return new HubError('too_large', `the body is larger than ${String(limit)} bytes`, { field: 'body' });
  }
  if (type === 'entity.parse.failed') {
    return new HubError('bad_json', `body is not JSON: ${String(message)}`, { field: 'body' });
  }
  if (type === 'encoding.unsupported' || type === 'charset.unsupported' || status === 415) {
    return new HubError('unsupported_type', String(message), { field: 'body' });
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new HubError('bad_request', String(message));
  }
  return new HubError('internal', ERRORS.internal.title, { cause: error });
}
