/**
 * The composition root: the one place that builds the concrete parts and knows them all.
 *
 * Parts are built from the bottom up, and each is added to the lifecycle when it is built. So the order in
 * {@link buildNode} is the order in which a node starts, and the reverse of the order in which it stops.
 */
import type { Config } from '../config/config.js';
import type { Hub } from '../hub/hub.js';
import type { Logger } from '../logger.js';
import { VERSION } from '../manifest.js';
import { Metrics } from '../telemetry/metrics.js';
import { type Backend, connectBackend } from './build-backend.js';
import { buildCluster } from './build-cluster.js';
import { buildFeeds } from './build-feeds.js';
import { type BuiltGate, buildGate } from './build-gate.js';
import { buildHub } from './build-hub.js';
import { buildPast } from './build-past.js';
import { buildRouter } from './build-router.js';
import { buildTracing } from './build-tracing.js';
import { HttpConnections } from './http-connections.js';
import { addressOf, createHttpServer, listen, stripBasePath } from './http-server.js';
import { Lifecycle } from './lifecycle.js';
import { buildTransports } from './transports.js';
import { UnreadAnswers } from './unread-answers.js';

/** How long requests in progress, and clients that were told to leave, may take once the node has drained. */
const CLOSE_MS = 3_000;
/** How long all parts together may take to start. If Redis does not answer, the start fails earlier. */
const START_MS = 60_000;
/** How much longer than `DRAIN_MS` a part may drain. A part that takes longer is at fault, and named in the log. */
const DRAIN_SLACK_MS = 2_000;
/** How long all parts together may take to stop. */
const STOP_MS = 15_000;
/** Longest time that {@link RunningNode.stop} takes, whatever hangs: `DRAIN_MS` is at most 30 s. */
export const NODE_STOPS_WITHIN_MS = 34_000;

/** A running node. */
export interface RunningNode extends Omit<BuiltGate, 'gate' | 'revocations'> {
  readonly node: string;
  readonly hub: Hub;
  readonly port: number;
  /** `http://host:port` as a client on this machine reaches it. */
  readonly url: string;
  /**
   * Sends all clients to other nodes and stops.
   *
   * @throws AggregateError of the parts that did not stop; the others have
   */
  stop(): Promise<void>;
}

/** Replacements for parts that the configuration would choose: for specs, and for programs that embed a node. */
export type NodeOverrides = Partial<Backend>;

/**
 * Starts a node.
 *
 * @param signal aborts the start: the parts started so far stop, in reverse order. A running node is ended by `stop`
 * @throws Error if Redis or the port is unavailable or a part does not start in time, or the reason of the signal.
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
    const { hub, address, ...access } = await buildNode(config, {
      logger,
      overrides,
      lifecycle,
      signal,
    });
    await lifecycle.start({ deadlineMs: START_MS, signal });
    return {
      node: config.node.id,
      hub,
      ...address(),
      ...access,
      stop: async () => {
        logger.info({ connections: hub.subscribers.size }, 'node: draining');
        // The port stays open, so that new clients are told that this node is not ready, and go to another.
        const deadline = performance.now() + NODE_STOPS_WITHIN_MS;
        await lifecycle.drain(config.node.drainMs + DRAIN_SLACK_MS);
        await lifecycle.stop(Math.min(STOP_MS, deadline - performance.now()));
        logger.info('node: stopped');
      },
    };
  } catch (error) {
    // Failures to stop have been logged; the caller should get the original reason.
    await lifecycle.stop(STOP_MS).catch(() => undefined);
    throw error;
  }
}

interface BuiltNode extends Omit<BuiltGate, 'gate' | 'revocations'> {
  readonly hub: Hub;
  /** Set once it listens. */
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
  // Starts after the adapters were built below; they have subscribed to the announcements of the other nodes by then.
  lifecycle.add('announcements', { start: () => inbox.live().then(() => hub.whenLive()) });

  const { gate, revocations, ...access } = await buildGate(config, link, logger);
  lifecycle.add('revocations', { start: () => revocations.start(), stop: () => revocations.stop() });
  lifecycle.add('client connections', { stop: () => gate.connections.stop() });

  const transports = buildTransports(config, { ...backend, ...built, gate, metrics, logger });
  const cluster = buildCluster(config, { ...backend, hub, publisher, gate, transports, metrics, logger });
  lifecycle.add('peers', { start: () => cluster.peers?.start() });

  const { sse, admission } = transports;
  const router = buildRouter(config, { link, hub, publisher, ...cluster, sse, gate, metrics, logger });
  const server = createHttpServer(router, gate);
  transports.attach(server);
  const unread = new UnreadAnswers({
    addressOf: (request) => gate.costs.payingAddress(request),
    onRefused: (limit) => gate.refused(limit),
  });
  unread.guard(server);
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
        unread,
      }),
    stop: () => metrics.stop(),
  });
  lifecycle.add('http', { start: () => listen(server, config.http), stop: () => sockets.close(CLOSE_MS) });
  // Stops before `http`: closing the port cuts every connection that is still open.
  lifecycle.add('transports', { stop: () => transports.close() });

  const { membership } = cluster;
  lifecycle.add('membership', { start: () => membership.start(), stop: () => membership.stop() });
  const feeds = buildFeeds(config, { ...backend, publisher, reports: () => membership.nodes, logger });
  lifecycle.add('feeds', { start: () => feeds?.start(), drain: () => feeds?.stop() });
  return { hub, ...access, address: () => addressOf(server, config.http) };
}
