/**
 * The composition root: the one place that builds concrete things and knows them all.
 *
 * Parts are built from the bottom up, and each is added to the lifecycle where it is built. So the order of
 * {@link buildNode} is the order in which a node starts, and the opposite of the one in which it stops.
 */
import type { Config } from '../config/config.js';
import { HttpConnections } from '../http/connections.js';
import type { Hub } from '../hub/hub.js';
import type { Logger } from '../logger.js';
import { VERSION } from '../manifest.js';
import { Metrics } from '../telemetry/metrics.js';
import { type Backend, connectBackend } from './build-backend.js';
import { buildCluster } from './build-cluster.js';
import { buildFeeds } from './build-feeds.js';
import { buildGate } from './build-gate.js';
import { buildHub } from './build-hub.js';
import { buildPast } from './build-past.js';
import { buildRouter } from './build-router.js';
import { buildTracing } from './build-tracing.js';
import { addressOf, createHttpServer, listen, stripBasePath } from './http-server.js';
import { Lifecycle } from './lifecycle.js';
import { buildTransports } from './transports.js';

/** How long requests that are under way, and clients that were told to go, may take once the node has drained. */
const CLOSE_MS = 3_000;
/** How long all parts together may take to start. Redis that does not answer ends a start earlier. */
const START_MS = 60_000;
/** What a part may take to drain beyond `DRAIN_MS`, and all parts together to stop. More is a fault, whose part is named. */
const DRAIN_SLACK_MS = 2_000;
const STOP_MS = 15_000;
/** Longest time in which {@link RunningNode.stop} is done, whatever hangs: `DRAIN_MS` is at most 30 s. */
export const NODE_STOPS_WITHIN_MS = 34_000;

/** A node that serves. */
export interface RunningNode {
  readonly node: string;
  readonly hub: Hub;
  readonly port: number;
  /** `http://host:port` as a client on this machine reaches it. */
  readonly url: string;
  /** In development: what may publish in this run. */
  readonly publishKey: string | undefined;
  /** Sends everybody elsewhere and stops. @throws AggregateError of the parts that did not stop; the others have */
  stop(): Promise<void>;
}

/** What takes the place of parts that the configuration would choose: for specs, and for programs that embed a node. */
export type NodeOverrides = Partial<Backend>;

/**
 * Starts a node.
 *
 * @param signal aborts the start: what was started stops, in the opposite order. A node that runs is ended by `stop`
 * @throws Error where Redis or the port cannot be had or a part does not start in time, and the reason of the signal.
 *   Nothing is left running then.
 */
export async function startNode(
  config: Config,
  logger: Logger,
  overrides: NodeOverrides = {},
  signal?: AbortSignal,
): Promise<RunningNode> {
  const lifecycle = new Lifecycle(logger);
  try {
    const { hub, publishKey, address } = await buildNode(config, { logger, overrides, lifecycle, signal });
    await lifecycle.start({ deadlineMs: START_MS, signal });
    return {
      node: config.node.id,
      hub,
      ...address(),
      publishKey,
      stop: async () => {
        logger.info({ node: config.node.id, connections: hub.subscribers.size }, 'node: draining');
        // The port stays open: clients that ask meanwhile hear that this node is not ready, and go to another.
        const deadline = performance.now() + NODE_STOPS_WITHIN_MS;
        await lifecycle.drain(config.node.drainMs + DRAIN_SLACK_MS);
        await lifecycle.stop(Math.min(STOP_MS, deadline - performance.now()));
        logger.info({ node: config.node.id }, 'node: stopped');
      },
    };
  } catch (error) {
    // What fails here has been logged; the reason for all of it is what the caller should hear.
    await lifecycle.stop(STOP_MS).catch(() => undefined);
    throw error;
  }
}

interface BuiltNode extends Pick<RunningNode, 'hub' | 'publishKey'> {
  /** Once it listens. */
  address(): Pick<RunningNode, 'port' | 'url'>;
}

interface NodeMaterial {
  readonly logger: Logger;
  readonly overrides: NodeOverrides;
  readonly lifecycle: Lifecycle;
  readonly signal: AbortSignal | undefined;
}

async function buildNode(
  config: Config,
  { logger, overrides, lifecycle, signal }: NodeMaterial,
): Promise<BuiltNode> {
  const metrics = new Metrics();
  const tracing = await buildTracing(config, logger);
  lifecycle.add('tracing', { stop: () => tracing?.close() });
  const backend = { ...(await connectBackend(config, logger, signal)), ...overrides };
  const { log, inbox, link } = backend;
  lifecycle.add('redis', { stop: () => link?.close() });
  const { past, close: closePast } = await buildPast(config, log, logger);
  lifecycle.add('archive', { stop: closePast });
  lifecycle.add('log', { stop: () => log.close() });

  const built = buildHub(config, { log, past, metrics, tracing, logger });
  const { hub, publisher } = built;
  lifecycle.add('hub', {
    start: () => hub.start(),
    drain: () => hub.drain(config.node.drainMs),
    stop: () => hub.stop(),
  });
  // By then the adapters below have subscribed to what the other nodes announce.
  lifecycle.add('announcements', { start: () => inbox.live().then(() => hub.whenLive()) });

  const { gate, revocations, publishKey } = await buildGate(config, link, logger);
  lifecycle.add('revocations', { start: () => revocations.start(), stop: () => revocations.stop() });
  lifecycle.add('client connections', { stop: () => gate.connections.stop() });

  const transports = buildTransports(config, { ...backend, ...built, gate, metrics, logger });
  const cluster = buildCluster(config, { ...backend, hub, publisher, gate, transports, metrics, logger });
  lifecycle.add('peers', { start: () => cluster.peers?.start() });

  const { sse, admission } = transports;
  const router = buildRouter(config, { link, hub, publisher, ...cluster, sse, gate, metrics, logger });
  const server = createHttpServer(router, gate);
  transports.attach(server);
  stripBasePath(server, config.http.basePath);
  const sockets = new HttpConnections(server, () => hub.draining);
  lifecycle.add('metrics', {
    start: () =>
      metrics.observe({
        hub,
        admission,
        publishing: publisher.counters,
        connections: () => transports.connections(),
        link,
        version: VERSION,
        node: config.node.id,
        gate: gate.counters,
        revocations,
      }),
    stop: () => metrics.stop(),
  });
  lifecycle.add('http', { start: () => listen(server, config.http), stop: () => sockets.close(CLOSE_MS) });
  // Stops before the port is closed, which cuts what is still open by then.
  lifecycle.add('transports', { stop: () => transports.close() });

  const { membership } = cluster;
  lifecycle.add('membership', { start: () => membership.start(), stop: () => membership.stop() });
  const feeds = buildFeeds(config, { ...backend, publisher, reports: () => membership.nodes, logger });
  lifecycle.add('feeds', { start: () => feeds?.start(), drain: () => feeds?.stop() });
  return { hub, publishKey, address: () => addressOf(server, config.http) };
}
