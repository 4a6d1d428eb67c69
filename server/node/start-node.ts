/**
 * The composition root: the one place that builds concrete things and knows them all.
 */
import { createServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { fileURLToPath } from 'node:url';
import { answerFor, ConnectionDirectory } from '../auth/directory.js';
import type { Leases } from '../cluster/leases.js';
import { measurements } from '../cluster/measurements.js';
import { Membership } from '../cluster/membership.js';
import { RedisPeers } from '../cluster/redis-peers.js';
import type { Config } from '../config/config.js';
import { demoFeeds } from '../feeds/demo-feeds.js';
import { FeedRunner } from '../feeds/runner.js';
import { HttpConnections } from '../http/connections.js';
import { createRouter } from '../http/router.js';
import { Hub } from '../hub/hub.js';
import { RequestHandler } from '../hub/operations/handler.js';
import { Publisher } from '../hub/operations/publisher.js';
import { isHubPayload } from '../log/payload.js';
import { RedisStreamLog } from '../log/redis-stream-log.js';
import type { Logger } from '../logger.js';
import { Metrics } from '../telemetry/metrics.js';
import { Admission } from '../transports/admission.js';
import {
  type Dialect,
  JSON_DIALECT,
  MSGPACK_DIALECT,
  SocketIoTransport,
} from '../transports/socketio/socketio-transport.js';
import { limitSockets } from '../transports/sockets.js';
import { SseTransport } from '../transports/sse/sse-transport.js';
import { routeUpgrades } from '../transports/upgrades.js';
import { GuardedWebSocketServer } from '../transports/websocket/guarded-server.js';
import { WebSocketTransport } from '../transports/websocket/websocket-transport.js';
import { VERSION } from '../version.js';
import { connectBackend } from './build-backend.js';
import { buildGate } from './build-gate.js';
import { buildPast } from './build-past.js';

/** Longer than a proxy keeps a connection that rests (NGINX: 60 s), or a request meets one that is just being closed. */
const KEEP_ALIVE_MS = 75_000;
/** What a Socket.IO client may take to open its namespace, where no other time is set. */
const CONNECT_TIMEOUT_MS = 45_000;
/** Who sends headers or bodies drop by drop is cut; a stream that is read slowly is not concerned. */
const SLOW_REQUESTS = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 1_000 };
/** How long requests that are under way, and clients that were told to go, may take once the node has drained. */
const CLOSE_MS = 3_000;

/** Clients of a killed node come all at once; Node's default of 511 would refuse most. The kernel's own limit holds. */
const LISTEN_BACKLOG = 4_096;

/** A node that serves. */
export interface RunningNode {
  readonly node: string;
  readonly hub: Hub;
  readonly port: number;
  /** `http://host:port` as a client on this machine reaches it. */
  readonly url: string;
  /** In development: what may publish in this run. */
  readonly publishKey: string | undefined;
  /** Sends everybody elsewhere and stops. */
  stop(): Promise<void>;
}

/** Starts a node. @throws Error where Redis or the port cannot be had; nothing is left running then. */
export async function startNode(config: Config, logger: Logger): Promise<RunningNode> {
  const node = config.node.id;
  const backend = await connectBackend(config, logger);
  const { log, link, sessions } = backend;
  const metrics = new Metrics();
  const tracing =
    config.tracing &&
    (await import('../telemetry/tracing.js')).startTracing(config.tracing, {
      node,
      version: VERSION,
      logger,
    });
  const { past, close: closePast } = buildPast(config, log, logger);
  const { gate, revocations, publishKey } = await buildGate(config, link, logger);
  const hub = new Hub({
    streams: config.streams,
    log,
    past,
    logger,
    limits: config.limits,
    onLatency: (ms) => metrics.delivered(ms),
    tracing,
  });
  const publisher = new Publisher({
    hub,
    log,
    maxMessageBytes: config.publishing.maxMessageBytes,
    onCommit: (ms) => metrics.committed(ms),
    tracing,
  });
  const requests = new RequestHandler({
    hub,
    publisher,
    logger,
    onError: (code) => metrics.errors.count(code),
  });
  const heartbeat = {
    pingIntervalMs: config.transports.pingIntervalMs,
    pingTimeoutMs: config.transports.pingTimeoutMs,
  };
  // A request is a message and some words around it.
  const maxFrameBytes = config.publishing.maxMessageBytes + 16 * 1024;

  const admission = new Admission({ hub, perSecond: config.transports.handshakesPerSecond });
  const sse = new SseTransport({
    hub,
    gate,
    admission,
    node,
    logger,
    maxTopics: config.transports.topicsPerEventStream,
    direct: config.transports.direct,
  });
  const webSocket = new WebSocketTransport({
    hub,
    gate,
    admission,
    requests,
    node,
    maxFrameBytes,
    direct: config.transports.direct,
    ...heartbeat,
  });
  const connections = () => ({
    socketio: socketIos.reduce((sum, { connections }) => sum + connections, 0),
    websocket: webSocket.connections,
    sse: sse.connections,
  });
  const membership = new Membership({
    reports: backend.reports,
    logger,
    measure: measurements({
      node,
      version: VERSION,
      hub,
      publishing: publisher.counters,
      connections,
      link,
      takeLoopLagMs: () => metrics.takeLoopLagMs(),
    }),
  });
  const nodes = () => membership.nodes;
  const peers =
    link &&
    new RedisPeers({
      link,
      node,
      nodes: () => nodes().map((report) => report.node),
      answer: (question) => answerFor(gate.sessions, question),
      logger,
    });
  const router = createRouter({
    hub,
    gate,
    connections: new ConnectionDirectory(gate.sessions, peers),
    maxTokenLifeMs: config.tokens.maxLifeMs,
    node,
    version: VERSION,
    metrics,
    metricsToken: config.http.metricsToken,
    nodes,
    redisUp: () => link?.up ?? null,
    publisher,
    maxMessageBytes: config.publishing.maxMessageBytes,
    maxBatchItems: config.publishing.maxBatchItems,
    maxBatchBytes: config.publishing.maxBatchBytes,
    logger,
    sse,
    webRoot: fileURLToPath(new URL('../../page', import.meta.url)),
    trustProxy: config.http.trustedProxies,
  });
  const httpServer = createServer({ ...SLOW_REQUESTS, keepAliveTimeout: KEEP_ALIVE_MS }, router);
  limitSockets(httpServer, gate);
  const socketIo = (
    dialect: Dialect,
    receive: (stream: string, payload: Buffer) => void,
  ): SocketIoTransport =>
    new SocketIoTransport({
      dialect,
      httpServer,
      hub,
      gate,
      wsEngine: GuardedWebSocketServer,
      connectTimeoutMs: config.rates.unauthenticatedMs || CONNECT_TIMEOUT_MS,
      admission,
      requests,
      sessions,
      logger,
      node,
      payloads: {
        isHubPayload,
        receive,
        malformed: (error) => {
          metrics.errors.count('malformed_payload');
          logger.warn(
            { error: String(error) },
            'adapter: something on the channel could not be read; it is dropped',
          );
        },
      },
      clients: link?.forAdapter((error) => {
        metrics.errors.count('adapter_publish');
        logger.debug({ error: String(error) }, 'adapter: a call to Redis failed');
      }),
      sessionMs: config.transports.sessionMs,
      maxPacketBytes: maxFrameBytes,
      direct: config.transports.direct,
      ...heartbeat,
    });
  // Both listen on the same channels; only one may hand the stream log's payloads on.
  const socketIos: readonly SocketIoTransport[] = [
    socketIo(JSON_DIALECT, (stream, payload) => {
      if (log instanceof RedisStreamLog) log.receive(stream, payload);
    }),
    socketIo(MSGPACK_DIALECT, () => undefined),
  ];
  routeUpgrades(httpServer, { webSocket });
  const httpConnections = new HttpConnections(httpServer, () => hub.draining);
  metrics.observe({
    hub,
    admission,
    publishing: publisher.counters,
    connections,
    link,
    version: VERSION,
    node,
    gate: gate.counters,
    revocations,
  });

  const end = async () => {
    sse.close();
    webSocket.close();
    for (const transport of socketIos) await transport.close();
    gate.sessions.stop();
    revocations.stop();
    hub.stop();
    await log.close();
    await closePast();
    await link?.close();
    await tracing?.close();
  };
  try {
    hub.start();
    if (log instanceof RedisStreamLog) await log.live();
    await hub.whenLive();
    await revocations.start();
    await peers?.start();
    await listen(httpServer, config);
  } catch (error) {
    await end();
    throw error;
  }
  await membership.start();
  const feeds = startFeeds(config, { publisher, leases: backend.leases, node, membership, logger });

  const { port } = httpServer.address() as AddressInfo;
  const host = isIPv6(config.http.host) ? `[${config.http.host}]` : config.http.host;
  const stop = async () => {
    logger.info({ node, connections: hub.subscribers.size }, 'node: draining');
    // The port stays open: whoever asks meanwhile hears that this node is not ready, and goes to another.
    const drained = hub.drain(config.node.drainMs);
    await feeds?.stop();
    await drained;
    await httpConnections.close(CLOSE_MS);
    await membership.stop();
    metrics.stop();
    await end();
    logger.info({ node }, 'node: stopped');
  };
  return {
    node,
    hub,
    port,
    url: `http://${host === '127.0.0.1' ? 'localhost' : host}:${port}`,
    publishKey,
    stop,
  };
}

function startFeeds(
  config: Config,
  parts: { publisher: Publisher; leases: Leases; node: string; membership: Membership; logger: Logger },
): FeedRunner | undefined {
  if (!config.feeds.isOn) return undefined;
  const { publisher, leases, node, membership, logger } = parts;
  const runner = new FeedRunner({
    publisher,
    leases,
    holder: node,
    logger,
    feeds: demoFeeds({
      streams: new Set(config.streams.map(({ name }) => name)),
      reports: () => membership.nodes,
      intervalMs: config.feeds.intervalMs,
    }),
  });
  runner.start();
  return runner;
}

function listen(server: HttpServer, { http }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: http.port, host: http.host, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
