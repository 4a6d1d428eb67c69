/** `/stream`: event streams, and the subscriptions that an `EventSource` names. */
import { type NextFunction, type Request, type Response, Router, raw } from 'express';
import type { Gate } from '../auth/gate.js';
import type { SseTransport } from '../transports/sse/sse-transport.js';
import { authenticating, crossOrigin, principalOf } from './authenticating.js';
import { bodyText, parseJson } from './body.js';
import { EXACT } from './exact.js';

export interface StreamingOptions {
  readonly gate: Gate;
  readonly sse: SseTransport;
}

/** A thousand topics of the longest names, and a cursor. */
const MAX_BODY_BYTES = 256 * 1024;

export function streamingRoutes({ gate, sse }: StreamingOptions): Router {
  const router = Router(EXACT);
  // The body is JSON whatever its content type, as that of a publication is.
  const body = raw({ type: () => true, limit: MAX_BODY_BYTES });
  // Before the body is inflated and parsed: those that were refused are paid for when that is done.
  const mayOwe = (request: Request, _response: Response, next: NextFunction) => {
    gate.costs.meter(request, gate.nobody).check();
    next();
  };
  const queryOf = ({ originalUrl }: Request) => new URL(originalUrl, 'http://hub').searchParams;

  router.use('/stream', crossOrigin(gate));
  router.get('/stream', async (request: Request, response: Response) => {
    if (request.method === 'HEAD') await sse.head(request, response, queryOf(request));
    else await sse.serve(request, response, queryOf(request));
  });
  router.post('/stream', mayOwe, body, async (request: Request, response: Response) => {
    await sse.serve(request, response, queryOf(request), parseJson(bodyText(request.body), 'body'));
  });

  // Without the cookie: a page of another origin can send it, and would use up what its user may keep.
  router.post(
    '/stream/subscriptions',
    authenticating(gate),
    mayOwe,
    body,
    async (request: Request, response: Response) => {
      await gate.costs.spend(request, 'stored_subscriptions', principalOf(response));
      gate.checkPage(request);
      const { subject } = principalOf(response);
      const owner = subject === undefined ? `address ${gate.countedAddress(request)}` : `subject ${subject}`;
      const created = await sse.createSubscription(owner, parseJson(bodyText(request.body), 'body'));
      response.status(201).set('Cache-Control', 'no-store').json(created);
    },
  );
  return router;
}
