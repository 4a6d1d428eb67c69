/** Which methods each path of the API has: the header `Allow`, and the answers to OPTIONS and CORS preflights. */
import { type NextFunction, type Request, type RequestHandler, type Response, Router } from 'express';
import type { Gate } from '../auth/gate.js';
import { HubError } from '../errors.js';
import { ROUTES } from './api-documents/routes.js';
import { crossOrigin } from './authenticating.js';
import { EXACT } from './exact.js';

/** Path as Express writes it, and the value of its `Allow`. */
const PATHS: ReadonlyMap<string, string> = methodsByPath();

/**
 * Answers OPTIONS; to be used before everything that asks for a token or counts requests, which browsers expect of it.
 */
export function answeringOptions(gate: Gate): RequestHandler {
  const router = Router(EXACT);
  const cors = crossOrigin(gate);
  for (const [path, methods] of PATHS) {
    router.options(path, ...(/^\/(api|stream)\b/.test(path) ? [cors] : []), (_request, response) => {
      response.setHeader('Allow', methods).status(204).end();
    });
  }
  return (request: Request, response: Response, next: NextFunction): void => {
    if (request.method === 'OPTIONS') router(request, response, next);
    else next();
  };
}

/** Refuses what no route has taken, with the methods that there are. */
export function refusingMethods(): Router {
  const router = Router(EXACT);
  for (const [path, methods] of PATHS) {
    router.all(path, (request: Request, response: Response) => {
      response.setHeader('Allow', methods);
      throw new HubError('method_not_allowed', `${request.method} is not offered here; ${methods} is`);
    });
  }
  return router;
}

function methodsByPath(): Map<string, string> {
  const methods = new Map([
    ['/openapi.json', new Set(['GET'])],
    ['/asyncapi.json', new Set(['GET'])],
  ]);
  for (const { path, method } of ROUTES)
    methods.set(path, (methods.get(path) ?? new Set()).add(method.toUpperCase()));
  return new Map(
    [...methods].map(([path, set]) => {
      // Express answers HEAD where it answers GET.
      const all = [...set, ...(set.has('GET') ? ['HEAD'] : []), 'OPTIONS'];
      return [path, all.sort().join(', ')];
    }),
  );
}
