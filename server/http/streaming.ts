/** `/stream`: event streams. */
import { type Request, type Response, Router } from 'express';
import type { Gate } from '../auth/gate.js';
import type { SseTransport } from '../transports/sse/sse-transport.js';
import { crossOrigin } from './authenticating.js';
import { EXACT } from './exact.js';

export interface StreamingOptions {
  readonly gate: Gate;
  readonly sse: SseTransport;
}

export function streamingRoutes({ gate, sse }: StreamingOptions): Router {
  const router = Router(EXACT);
  router.use('/stream', crossOrigin(gate));
  router.get('/stream', async (request: Request, response: Response) => {
    const query = new URL(request.originalUrl, 'http://hub').searchParams;
    if (request.method === 'HEAD') await sse.head(request, response, query);
    else await sse.serve(request, response, query);
  });
  return router;
}
