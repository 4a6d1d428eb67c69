/** Health, nodes and metrics, for operators and load balancers. */

import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import { type Request, type Response, Router } from 'express';
import { HubError } from '../errors.js';
import type { Hub } from '../hub/hub.js';
import type { Metrics } from '../telemetry/metrics.js';
import { principalOf, requireAdmin } from './authenticating.js';
import { EXACT } from './exact.js';
import { Operators, type OperatorsOptions } from './operators.js';

/** The stream in which nodes publish their reports. */
const REPORTS = { stream: 'system', key: ALL_KEYS };

export interface OperatingOptions extends OperatorsOptions {
  readonly hub: Hub;
  readonly node: string;
  readonly version: string;
  readonly metrics: Metrics;
  /** The living nodes, this one among them. */
  readonly nodes: () => readonly NodeReport[];
  /** Null: embedded, without Redis. */
  readonly redisUp: () => boolean | null;
  /** Why Redis refuses writes while it answers reads; undefined: it takes them. */
  readonly writesRefused: () => HealthCause | undefined;
}

/**
 * Why a node is degraded. With the last two it serves: readers connect, subscribe and get what there is, and only what
 * has to be stored is refused.
 */
export type HealthCause = 'redis_unreachable' | 'log_not_live' | 'redis_full' | 'redis_read_only';

export function operatingRoutes(options: OperatingOptions): Router {
  const { hub, gate, node, version, metrics, nodes, redisUp } = options;
  const operators = new Operators(options);
  const router = Router(EXACT);
  const readinessNow = () => readiness(hub, redisUp(), options.writesRefused());

  router.get('/health', async (request: Request, response: Response) => {
    const isOperator = operators.isNear(request) || (await operators.isNamed(request));
    const { serves, ...state } = readinessNow();
    response.status(serves ? 200 : 503);
    if (!isOperator) {
      response.json(state);
      return;
    }
    const total = (count: (report: NodeReport) => number) =>
      nodes().reduce((sum, report) => sum + count(report), 0);
    response.json({
      ...state,
      node,
      version,
      instances: nodes().length,
      connections: total(({ connections }) =>
        Object.values(connections).reduce((sum, each) => sum + each, 0),
      ),
      redis_connected: redisUp(),
      // NGINX and other proxies set this header; without it, the client is connected to the node directly.
      load_balancer: request.get('X-Forwarded-For') !== undefined,
      log: redisUp() === null ? 'memory' : 'redis',
      uptime_seconds: Math.round(process.uptime()),
    });
  });

  router.get('/health/live', (_request: Request, response: Response) => {
    response.json({ status: 'ok', node });
  });

  router.get('/health/ready', (_request: Request, response: Response) => {
    const { serves, ...state } = readinessNow();
    if (!serves) response.setHeader('Retry-After', '1');
    response.status(serves ? 200 : 503).json({ ...state, node });
  });

  router.get('/api/nodes', (request: Request, response: Response) => {
    // The same is published in the feed of reports, for those whom it is granted to.
    const isGranted = !gate.nobody.mayRead(REPORTS) && principalOf(response).mayRead(REPORTS);
    if (!isGranted && !operators.isNear(request)) requireAdmin(response);
    response.json({ node, nodes: nodes() });
  });

  router.get('/metrics', async (request: Request, response: Response) => {
    const isAnonymous = request.get('Authorization') === undefined;
    if (!(isAnonymous ? operators.isNear(request) : await operators.isNamed(request))) {
      throw new HubError('not_found', 'metrics are for private networks, or require the metrics token');
    }
    gate.costs.charge(request, undefined, 'scrapes', 1);
    response.type(metrics.contentType).send(await metrics.text());
  });
  return router;
}

/** The state of a node. @returns `serves`: whether clients should be sent to it */
function readiness(
  hub: Hub,
  redisUp: boolean | null,
  writesRefused: HealthCause | undefined,
): { status: 'ok' | 'draining' | 'degraded'; cause?: HealthCause; serves: boolean } {
  if (hub.draining) return { status: 'draining', serves: false };
  if (redisUp === false) return { status: 'degraded', cause: 'redis_unreachable', serves: false };
  if (!hub.live) return { status: 'degraded', cause: 'log_not_live', serves: false };
  if (writesRefused !== undefined) return { status: 'degraded', cause: writesRefused, serves: true };
  return { status: 'ok', serves: true };
}
