/** Health, nodes and metrics, for operators and load balancers. */

import { timingSafeEqual } from 'node:crypto';
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import { type Request, type Response, Router } from 'express';
import type { Gate } from '../auth/gate.js';
import { ERRORS, HubError } from '../errors.js';
import { requireRead } from '../hub/access.js';
import type { Hub } from '../hub/hub.js';
import type { Metrics } from '../telemetry/metrics.js';
import { principalOf } from './authenticating.js';
import { EXACT } from './exact.js';

/** The stream in which nodes publish their reports. */
const REPORTS = { stream: 'system', key: ALL_KEYS };

export interface OperatingOptions {
  readonly hub: Hub;
  readonly node: string;
  readonly version: string;
  readonly metrics: Metrics;
  readonly gate: Gate;
  /** The bearer token for `/metrics`. Empty: only private networks and administrators may read it. */
  readonly metricsToken: string;
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
  const { hub, gate, node, version, metrics, metricsToken, nodes, redisUp } = options;
  const router = Router(EXACT);
  const readinessNow = () => readiness(hub, redisUp(), options.writesRefused());

  router.get('/health', (request: Request, response: Response) => {
    const { serves, ...state } = readinessNow();
    const total = (count: (report: NodeReport) => number) =>
      nodes().reduce((sum, report) => sum + count(report), 0);
    response.status(serves ? 200 : 503).json({
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

  router.get('/api/nodes', (_request: Request, response: Response) => {
    // The same is published in the feed of reports, for those who may read it.
    const principal = principalOf(response);
    if (!principal.admin) requireRead(principal, REPORTS, 'system');
    response.json({ node, nodes: nodes() });
  });

  router.get('/metrics', async (request: Request, response: Response) => {
    if (!(await mayMeasure(request))) {
      throw new HubError('not_found', 'metrics are for private networks, or require the metrics token');
    }
    gate.costs.charge(request, undefined, 'scrapes', 1);
    response.type(metrics.contentType).send(await metrics.text());
  });

  /** The address alone grants access only while no token is configured. */
  async function mayMeasure(request: Request): Promise<boolean> {
    const given = request.get('Authorization');
    if (given === undefined) return metricsToken === '' && gate.isPrivate(request);
    if (metricsToken !== '' && sameText(given, `Bearer ${metricsToken}`)) return true;
    try {
      return (await gate.identify(gate.bearer(request), gate.countedAddress(request))).admin;
    } catch (error) {
      // Whatever is wrong with the token, it does not grant metrics.
      if (error instanceof HubError && ERRORS[error.code].status === 401) return false;
      throw error;
    }
  }
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

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
