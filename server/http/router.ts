/** The Express application that runs alongside Socket.IO. */
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import { HubError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { SseTransport } from '../transports/sse/sse-transport.js';
import { type AdministeringOptions, administeringRoutes } from './administering.js';
import { ROUTES } from './api-documents/routes.js';
import { authenticating, crossOrigin } from './authenticating.js';
import { type DocumentingOptions, documentingRoutes } from './documenting.js';
import { problemHandler } from './error-handler.js';
import { mcpRoute } from './mcp.js';
import { type OperatingOptions, operatingRoutes } from './operating.js';

import { type PublishingOptions, publishingRoutes } from './publishing.js';
import { readingRoutes } from './reading.js';

export interface RouterOptions
  extends OperatingOptions,
    PublishingOptions,
    AdministeringOptions,
    DocumentingOptions {
  readonly logger: Logger;
  readonly sse: SseTransport;
  /** Folder of the built page; it may be missing. */
  readonly webRoot: string;
  readonly trustProxy: readonly string[];
}

const YEAR_S = 31_536_000;
const SOCKETS_PAGE = '/docs/sockets.html';
/** The sources that pages may load from. */
const PAGES = {
  defaultSrc: ["'self'"],
  connectSrc: ["'self'", 'ws:', 'wss:'],
  imgSrc: ["'self'", 'data:'],
  frameAncestors: ["'none'"],
  // It would leave a page that is served over plain HTTP blank.
  upgradeInsecureRequests: null,
};
/** The methods of each API path, for answers to requests with another method. */
const PATHS: ReadonlyMap<string, string> = methodsByPath();

/** All methods that occur in the API. */
const METHODS = ['GET', 'HEAD', 'POST', 'DELETE'];

export function createRouter(options: RouterOptions): Express {
  const { hub, gate, logger, metrics, sse, webRoot, trustProxy } = options;
  const app = express();
  app.set('trust proxy', [...trustProxy]);
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.disable('x-powered-by');
  app.set('etag', false);

  app.use((request: Request, response: Response, next: NextFunction) => {
    const started = performance.now();
    response.on('close', () => {
      const route = typeof request.route?.path === 'string' ? request.route.path : 'other';
      // An event stream lasts until its client leaves.
      if (route !== '/stream') {
        const method = METHODS.includes(request.method) ? request.method : 'other';
        metrics.request(method, route, response.statusCode, performance.now() - started);
      }
    });
    gate.checkLocal(request);
    next();
  });
  // Publishing, which may be called a thousand times a second, comes first and gets no headers that only pages need.
  app.use('/api', forPrograms, crossOrigin(gate), authenticating(gate));
  app.use(publishingRoutes(options));
  app.use(helmet({ contentSecurityPolicy: { directives: PAGES }, strictTransportSecurity: false }));
  // The AsyncAPI parser compiles JSON Schemas to code. The page has no form, and shows only this node's document.
  app.use(
    SOCKETS_PAGE,
    helmet.contentSecurityPolicy({ directives: { ...PAGES, scriptSrc: ["'self'", "'unsafe-eval'"] } }),
  );
  app.use('/stream', crossOrigin(gate));
  app.get('/stream', async (request: Request, response: Response) => {
    if (request.method === 'HEAD') {
      response.type('text/event-stream').end();
      return;
    }
    await sse.serve(request, response, new URL(request.originalUrl, 'http://hub').searchParams);
  });
  app.use(
    operatingRoutes(options),
    readingRoutes(hub),
    administeringRoutes(options),
    mcpRoute(options),
    documentingRoutes(options),
  );
  app.use(
    '/assets',
    express.static(`${webRoot}/assets`, { immutable: true, maxAge: YEAR_S * 1000, index: false }),
  );
  app.use(express.static(webRoot, { cacheControl: false, etag: true }));

  for (const [path, methods] of PATHS) {
    app.all(path, (request: Request, response: Response) => {
      response.setHeader('Allow', methods);
      throw new HubError('method_not_allowed', `${request.method} is not offered here; ${methods} is`);
    });
  }
  app.use((request: Request) => {
    throw new HubError('not_found', `there is no ${request.method} ${request.path.slice(0, 200)}`);
  });
  app.use(problemHandler(logger, metrics.errors, gate, sse));
  return app;
}

/** The headers of answers that are not shown as pages. */
function forPrograms(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
  next();
}

function methodsByPath(): Map<string, string> {
  const methods = new Map([
    ['/openapi.json', 'GET'],
    ['/asyncapi.json', 'GET'],
  ]);
  for (const { path, method } of ROUTES) {
    const others = methods.get(path);
    methods.set(path, [...(others?.split(', ') ?? []), method.toUpperCase()].sort().join(', '));
  }
  return methods;
}
