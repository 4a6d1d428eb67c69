/** `/openapi.json` and `/asyncapi.json`; the pages at `/docs/` show them. */
import { type Request, type Response, Router } from 'express';
import type { Gate } from '../auth/gate.js';
import { asyncApi } from './api-documents/asyncapi.js';
import { openApi } from './api-documents/openapi.js';
import { EXAMPLE_ORIGIN } from './api-documents/route.js';
import { EXACT } from './exact.js';

/** Hosts that may be written into an example; anything else could be a command in a reader's shell. */
const HOST = /^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9a-fA-F:.]+\](:\d{1,5})?$/;

export interface DocumentingOptions {
  readonly gate: Gate;
  readonly version: string;
  /** Path below which a proxy serves the hub, such as `/hub`. Empty: none. */
  readonly basePath: string;
}

export function documentingRoutes({ gate, version, basePath }: DocumentingOptions): Router {
  const router = Router(EXACT);
  router.get('/openapi.json', (request: Request, response: Response) => {
    gate.costs.charge(request, undefined, 'documents', 1);
    response.setHeader('Cache-Control', 'no-store');
    response.json(openApi({ version, url: originOf(request) + basePath }));
  });
  router.get('/asyncapi.json', (request: Request, response: Response) => {
    gate.costs.charge(request, undefined, 'documents', 1);
    response.setHeader('Cache-Control', 'no-store');
    response.json(asyncApi({ version, url: originOf(request) + basePath }));
  });
  // Relative: whatever a proxy has put before the path stays there.
  router.get('/docs', (_request: Request, response: Response) => response.redirect(308, 'docs/'));
  if (basePath !== '') {
    router.get(basePath, (_request: Request, response: Response) => response.redirect(308, `${basePath}/`));
  }
  return router;
}

/** The address by which the reader reached this node, so that copied examples work. */
function originOf(request: Request): string {
  const host = request.get('Host') ?? '';
  return HOST.test(host) ? `${request.protocol}://${host}` : EXAMPLE_ORIGIN;
}
