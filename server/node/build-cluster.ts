/** Builds the exchange of information between nodes: a part of the composition root. */
import { answerFor, ConnectionDirectory } from '../auth/directory.js';
import type { Gate } from '../auth/gate.js';
import { measurements } from '../cluster/measurements.js';
import { Membership } from '../cluster/membership.js';
import { RedisPeers } from '../cluster/redis-peers.js';
import type { Config } from '../config/config.js';
import type { Logger } from '../logger.js';
import { VERSION } from '../manifest.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Backend } from './build-backend.js';
import type { BuiltHub } from './build-hub.js';
import type { Transports } from './transports.js';

export interface Cluster {
  readonly membership: Membership;
  /** Asks the other nodes, and answers them; undefined for a single node. */
  readonly peers: RedisPeers | undefined;
  /** The connections of all nodes. */
  readonly directory: ConnectionDirectory;
}

export function buildCluster(
  { node }: Config,
  parts: Pick<Backend, 'link' | 'reports'> &
    Pick<BuiltHub, 'hub' | 'publisher'> & {
      readonly gate: Gate;
      readonly transports: Transports;
      readonly metrics: Metrics;
      readonly logger: Logger;
    },
): Cluster {
  const { link, reports, hub, publisher, gate, transports, metrics, logger } = parts;
  const membership = new Membership({
    reports,
    logger,
    measure: measurements({
      node: node.id,
      version: VERSION,
      hub,
      publishing: publisher.counters,
      connections: () => transports.connections(),
      link,
      takeLoopLagMs: () => metrics.takeLoopLagMs(),
    }),
  });
  const peers =
    link &&
    new RedisPeers({
      link,
      node: node.id,
      nodes: () => membership.nodes.map((report) => report.node),
      answer: (question) => answerFor(gate.connections, question),
      logger,
    });
  return { membership, peers, directory: new ConnectionDirectory(gate.connections, peers) };
}
