/** Health, nodes and metrics: what operators and load balancers ask. */
import { timingSafeEqual } from 'node:crypto';
import { type Request, type Response, Router } from 'express';
import type { NodeReport } from '../cluster/node-report.js';
import { HubError } from '../errors.js';
import type { Hub } from '../hub/hub.js';
import type { Metrics } from '../metrics.js';
import { EXACT } from './exact.js';

export interface OperatingOptions {
  readonly hub: Hub;
  readonly node: string;
  readonly version: string;
  readonly metrics: Metrics;
  /** Empty: `/metrics` asks for nothing. */
  readonly metricsToken: string;
  /** The living nodes, this one among them. */
  readonly nodes: () => readonly NodeReport[];
  /** Null: embedded, without Redis. */
  readonly redisUp: () => boolean | null;
}

export function operatingRoutes(options: OperatingOptions): Router {
  const { hub, node, version, metrics, metricsToken, nodes, redisUp } = options;
  const router = Router(EXACT);

  router.get('/health', (request: Request, response: Response) => {
    const state = readiness(hub, redisUp());
    const total = (count: (report: NodeReport) => number) =>
      nodes().reduce((sum, report) => sum + count(report), 0);
    response.status(state === 'ok' ? 200 : 503).json({
      status: state,
      node,
      version,
      instances: nodes().length,
      connections: total(({ connections: { socketio, websocket, sse } }) => socketio + websocket + sse),
      redis_connected: redisUp(),
      // NGINX and other proxies say so by this header; without one, the client is connected to the node itself.
      load_balancer: request.get('X-Forwarded-For') !== undefined,
      log: redisUp() === null ? 'memory' : 'redis',
      uptime_seconds: Math.round(process.uptime()),
    });
  });

  router.get('/health/live', (_request: Request, response: Response) => {
    response.json({ status: 'ok', node });
  });

  router.get('/health/ready', (_request: Request, response: Response) => {
    const state = readiness(hub, redisUp());
    if (state !== 'ok') response.setHeader('Retry-After', '1');
    response.status(state === 'ok' ? 200 : 503).json({ status: state, node });
  });

  router.get('/api/nodes', (_request: Request, response: Response) => {
    response.json({ node, nodes: nodes() });
  });

  router.get('/metrics', async (request: Request, response: Response) => {
    if (metricsToken !== '' && !sameText(request.get('Authorization') ?? '', `Bearer ${metricsToken}`)) {
      throw new HubError('not_found', 'metrics are for those who bring the token');
    }
    response.type(metrics.contentType).send(await metrics.text());
  });
  return router;
}

function readiness(hub: Hub, redisUp: boolean | null): 'ok' | 'draining' | 'degraded' {
  if (hub.draining) return 'draining';
  return redisUp === false || !hub.live ? 'degraded' : 'ok';
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
