/** Builds the transports, and puts them on the one port of a node: a part of the composition root. */
import type { Server as HttpServer } from 'node:http';
import type { Gate } from '../auth/gate.js';
import { RedisSubscriptionStore } from '../cluster/redis-subscriptions.js';
import type { Config } from '../config/config.js';
import { describeError, errorBody } from '../errors.js';
import { isHubPayload } from '../log/payload.js';
import type { Logger } from '../logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { Admission } from '../transports/admission.js';
import { SessionBudget } from '../transports/socketio/session-budget.js';
import {
  JSON_DIALECT,
  MSGPACK_DIALECT,
  type SocketIoOptions,
  SocketIoTransport,
} from '../transports/socketio/socketio-transport.js';
import { SseTransport } from '../transports/sse/sse-transport.js';
import {
  MemorySubscriptionStore,
  OWNER_MAX_BYTES,
  SUBSCRIPTION_MIN_BYTES,
  Subscriptions,
} from '../transports/sse/subscriptions.js';
import { routeUpgrades } from '../transports/upgrades.js';
import { GuardedWebSocketServer } from '../transports/websocket/guarded-server.js';
import { WebSocketTransport } from '../transports/websocket/websocket-transport.js';
import { type Backend, sessionLastsMs } from './build-backend.js';
import type { BuiltHub } from './build-hub.js';

/** How long a Socket.IO client may take to open its namespace, at least: it may have to wait for its session. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Room for a request's fields around the data of a message. */
const REQUEST_OVERHEAD_BYTES = 16 * 1024;
/** The longest topic in a request: name, colon, key, quotes and a comma. */
const TOPIC_BYTES = 32 + 1 + 128 + 3;
/** Beyond it, a client subscribes with several requests. */
const MAX_TOPICS_BYTES = 1024 * 1024;

export interface Transports {
  readonly sse: SseTransport;
  /** Decides whether a new connection of any transport is accepted. */
  readonly admission: Admission;
  /** Open connections. */
  connections(): { readonly socketio: number; readonly websocket: number; readonly sse: number };
  /** Attaches to a server, which must have its router by then: Socket.IO passes on requests that are not its own. */
  attach(server: HttpServer): void;
  /** Closes the remaining connections. */
  close(): Promise<void>;
}

export interface TransportParts
  extends Pick<Backend, 'inbox' | 'link' | 'sessions'>,
    Pick<BuiltHub, 'hub' | 'requests'> {
  readonly gate: Gate;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export function buildTransports(config: Config, parts: TransportParts): Transports {
  const { link, hub, requests, gate, metrics, logger } = parts;
  const { handshakesPerSecond, topicsPerEventStream, pingIntervalMs, pingTimeoutMs, direct } =
    config.transports;
  const admission = new Admission({
    hub,
    gate,
    perSecond: handshakesPerSecond,
    onRefused: (error) => {
      const { code } = errorBody(error);
      metrics.errors.count(code);
      if (code === 'internal')
        logger.error({ error: describeError(error) }, 'transports: unexpected error at a handshake');
    },
  });
  const shared = { hub, gate, admission, node: config.node.id, direct };
  const heartbeat = { pingIntervalMs, pingTimeoutMs };
  const topicsBytes = Math.min(hub.limits.topicsPerConnection * TOPIC_BYTES, MAX_TOPICS_BYTES);
  const maxFrameBytes = Math.max(config.publishing.maxMessageBytes, topicsBytes) + REQUEST_OVERHEAD_BYTES;
  const subscriptions = new Subscriptions(
    link === undefined
      ? new MemorySubscriptionStore()
      : new RedisSubscriptionStore(link, { maxBytes: OWNER_MAX_BYTES, minBytes: SUBSCRIPTION_MIN_BYTES }),
    logger,
  );
  const sse = new SseTransport({ ...shared, logger, subscriptions, maxTopics: topicsPerEventStream });
  const webSocket = new WebSocketTransport({ ...shared, ...heartbeat, requests, maxFrameBytes });
  let socketIos: readonly SocketIoTransport[] = [];
  return {
    sse,
    admission,
    connections: () => ({
      socketio: socketIos.reduce((sum, { connections }) => sum + connections, 0),
      websocket: webSocket.connections,
      sse: sse.connections,
    }),
    attach: (httpServer) => {
      const payloads = payloadsOf(parts);
      const options = {
        ...shared,
        ...heartbeat,
        httpServer,
        requests,
        sessions: parts.sessions,
        sessionBudget: new SessionBudget({
          maxBytes: config.transports.sessionsMaxBytes,
          lastsMs: sessionLastsMs(config),
        }),
        logger,
        wsEngine: GuardedWebSocketServer,
        connectTimeoutMs: Math.max(config.rates.unauthenticatedMs, CONNECT_TIMEOUT_MS),
        sessionMs: config.transports.sessionMs,
        maxPacketBytes: maxFrameBytes,
      };
      // Both listen to the same channels; one of them passes on what the log announces there.
      socketIos = [
        new SocketIoTransport({ ...options, ...adapterOf(parts), dialect: JSON_DIALECT, payloads }),
        new SocketIoTransport({
          ...options,
          ...adapterOf(parts),
          dialect: MSGPACK_DIALECT,
          payloads: { ...payloads, receive: () => undefined },
        }),
      ];
      routeUpgrades(httpServer, { webSocket, admission });
    },
    close: async () => {
      sse.close();
      webSocket.close();
      for (const socketIo of socketIos) await socketIo.close();
    },
  };
}

/** Handles the payloads of the log, which arrive between the adapter's own messages. */
function payloadsOf({ inbox, metrics, logger }: TransportParts): SocketIoOptions['payloads'] {
  return {
    isHubPayload,
    receive: (stream, payload) => inbox.receive(stream, payload),
    malformed: (error) => {
      metrics.errors.count('malformed_payload');
      logger.warn({ error: String(error) }, 'adapter: an unreadable payload on the channel was dropped');
    },
  };
}

/** The connections to Redis in the form that an adapter expects. */
function adapterOf({ link, metrics, logger }: TransportParts): Pick<SocketIoOptions, 'clients'> {
  const clients = link?.forAdapter((error) => {
    metrics.errors.count('adapter_publish');
    logger.debug({ error: String(error) }, 'adapter: a call to Redis failed');
  });
  return { clients };
}
