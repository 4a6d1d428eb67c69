/** `/openapi.json` and `/asyncapi.json`; the pages at `/docs/` show them. */
import { type Request, type Response, Router } from 'express';
import { asyncApi } from './api-documents/asyncapi.js';
import { openApi } from './api-documents/openapi.js';
import { type ReachedBy, RenderedDocument } from './api-documents/rendered-document.js';
import { EXAMPLE_ORIGIN } from './api-documents/route.js';
import { EXACT } from './exact.js';

/** Hosts that may be written into an example; anything else could be a command in a reader's shell. */
const HOST = /^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9a-fA-F:.]+\](:\d{1,5})?$/;

const EXAMPLE: ReachedBy = { scheme: 'http', host: new URL(EXAMPLE_ORIGIN).host };

export interface DocumentingOptions {
  readonly version: string;
  /** Path below which a proxy serves the hub, such as `/hub`. Empty: none. */
  readonly basePath: string;
}

export function documentingRoutes({ version, basePath }: DocumentingOptions): Router {
  const router = Router(EXACT);
  const documents = {
    http: new RenderedDocument((url) => openApi({ version, url }), basePath),
    sockets: new RenderedDocument((url) => asyncApi({ version, url }), basePath),
  };
  router.get('/openapi.json', (request: Request, response: Response) => {
    answer(request, response, documents.http);
  });
  router.get('/asyncapi.json', (request: Request, response: Response) => {
    answer(request, response, documents.sockets);
  });
  // Relative: whatever a proxy has put before the path stays there.
  router.get('/docs', (_request: Request, response: Response) => response.redirect(308, 'docs/'));
  if (basePath !== '') {
    router.get(basePath, (_request: Request, response: Response) => response.redirect(308, `${basePath}/`));
  }
  return router;
}

/** Answers with a document, or with 304 if the reader has it. */
function answer(request: Request, response: Response, document: RenderedDocument): void {
  const { text, etag } = document.for(reachedBy(request));
  response.set({ 'Cache-Control': 'no-cache', ETag: etag }).type('json').send(text);
}

/** How the reader reached this node, so that copied examples work. */
function reachedBy(request: Request): ReachedBy {
  const host = request.get('Host') ?? '';
  if (!HOST.test(host)) return EXAMPLE;
  return { scheme: request.protocol === 'https' ? 'https' : 'http', host: host.toLowerCase() };
}
