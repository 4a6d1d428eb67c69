/** The Express application that runs alongside Socket.IO. */
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import { HubError } from '../errors.js';
import type { Logger } from '../logger.js';
import { type AdministeringOptions, administeringRoutes } from './administering.js';
import { authenticating, crossOrigin } from './authenticating.js';
import { countingRequests, HEALTH_CHECKS } from './counting.js';
import { deletingRoutes } from './deleting.js';
import { type DocumentingOptions, documentingRoutes } from './documenting.js';
import { problemHandler } from './error-handler.js';
import { mcpRoute } from './mcp.js';
import { type OperatingOptions, operatingRoutes } from './operating.js';
import { answeringOptions, refusingMethods } from './options.js';

import { type PublishingOptions, publishingRoutes } from './publishing.js';
import { readingRoutes } from './reading.js';
import { type StreamingOptions, streamingRoutes } from './streaming.js';

export interface RouterOptions
  extends OperatingOptions,
    PublishingOptions,
    AdministeringOptions,
    DocumentingOptions,
    StreamingOptions {
  readonly logger: Logger;
  /** Folder of the built page; it may be missing. */
  readonly webRoot: string;
  readonly trustProxy: readonly string[];
}

/** Of the path and the query. NGINX before the node reads a little more. */
const MAX_ADDRESS_BYTES = 16_000;
const YEAR_S = 31_536_000;
const SOCKETS_PAGE = '/docs/sockets.html';
/** The sources that pages may load from. */
const PAGES = {
  defaultSrc: ["'self'"],
  // Covers WebSocket to this origin in every browser since 2022.
  connectSrc: ["'self'"],
  fontSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  frameAncestors: ["'none'"],
  // It would leave a page that is served over plain HTTP blank.
  upgradeInsecureRequests: null,
};
/** All methods that occur in the API. */
const METHODS = ['GET', 'HEAD', 'POST', 'DELETE'];

export function createRouter(options: RouterOptions): Express {
  const { gate, logger, metrics, sse, webRoot, trustProxy } = options;
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
    // Health checks name the node by an address, or by nothing: they tell no secret, and nobody else's page may read
    // them.
    if (!HEALTH_CHECKS.has(request.path)) gate.checkLocal(request);
    if (request.originalUrl.length > MAX_ADDRESS_BYTES) {
      throw new HubError('address_too_long', `the address has more than ${MAX_ADDRESS_BYTES} bytes`);
    }
    next();
  });
  app.use(countingRequests(gate), answeringOptions(gate));
  // Publishing, which may be called a thousand times a second, comes first and gets no headers that only pages need.
  app.use('/api', forPrograms, crossOrigin(gate), authenticating(gate));
  app.use(publishingRoutes(options));
  app.use(helmet({ contentSecurityPolicy: { directives: PAGES }, strictTransportSecurity: false }));
  // The AsyncAPI parser compiles JSON Schemas to code. The page has no form, and shows only this node's document.
  app.use(
    SOCKETS_PAGE,
    helmet.contentSecurityPolicy({ directives: { ...PAGES, scriptSrc: ["'self'", "'unsafe-eval'"] } }),
  );
  app.use(
    streamingRoutes(options),
    operatingRoutes(options),
    readingRoutes(options),
    deletingRoutes(options),
    administeringRoutes(options),
    mcpRoute(options),
    documentingRoutes(options),
  );
  app.use(
    '/assets',
    express.static(`${webRoot}/assets`, { immutable: true, maxAge: YEAR_S * 1000, index: false }),
  );
  app.use(express.static(webRoot, { cacheControl: false, etag: true }));

  app.use(refusingMethods());
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
