/** Builds the router of HTTP requests: a part of the composition root. */
import type { RequestListener } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Gate } from '../auth/gate.js';
import type { Config } from '../config/config.js';
import { createRouter } from '../http/router.js';
import type { Logger } from '../logger.js';
import { VERSION } from '../manifest.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Backend } from './build-backend.js';
import type { Cluster } from './build-cluster.js';
import type { BuiltHub } from './build-hub.js';
import type { Transports } from './transports.js';

/** The built page, relative to the compiled file. It may be missing. */
const WEB_ROOT = fileURLToPath(new URL('../../page', import.meta.url));

export function buildRouter(
  config: Config,
  parts: Pick<Backend, 'link'> &
    Pick<BuiltHub, 'hub' | 'publisher'> &
    Pick<Cluster, 'membership' | 'directory'> &
    Pick<Transports, 'sse'> & {
      readonly gate: Gate;
      readonly metrics: Metrics;
      readonly logger: Logger;
    },
): RequestListener {
  const { link, hub, publisher, membership, directory, sse, gate, metrics, logger } = parts;
  return createRouter({
    ...config.publishing,
    hub,
    gate,
    connections: directory,
    node: config.node.id,
    version: VERSION,
    basePath: config.http.basePath,
    metrics,
    metricsToken: config.http.metricsToken,
    nodes: () => membership.nodes,
    redisUp: () => link?.up ?? null,
    writesRefused: () => link?.writes.why,
    publisher,
    logger,
    sse,
    webRoot: WEB_ROOT,
    trustProxy: config.http.trustedProxies,
  });
}
