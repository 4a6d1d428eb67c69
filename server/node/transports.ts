/** Builds the transports, and puts them on the one port of a node: a part of the composition root. */
import type { Server as HttpServer } from 'node:http';
import type { Gate } from '../auth/gate.js';
import type { Config } from '../config/config.js';
import { describeError, errorBody } from '../errors.js';
import { isHubPayload } from '../log/payload.js';
import type { Logger } from '../logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { Admission } from '../transports/admission.js';
import {
  JSON_DIALECT,
  MSGPACK_DIALECT,
  type SocketIoOptions,
  SocketIoTransport,
} from '../transports/socketio/socketio-transport.js';
import { SseTransport } from '../transports/sse/sse-transport.js';
import { routeUpgrades } from '../transports/upgrades.js';
import { GuardedWebSocketServer } from '../transports/websocket/guarded-server.js';
import { WebSocketTransport } from '../transports/websocket/websocket-transport.js';
import type { Backend } from './build-backend.js';
import type { BuiltHub } from './build-hub.js';

/** How long a Socket.IO client may take to open its namespace, where the configuration says nothing. */
const CONNECT_TIMEOUT_MS = 45_000;
/** A request is a message with some words around it. */
const REQUEST_OVERHEAD_BYTES = 16 * 1024;

export interface Transports {
  readonly sse: SseTransport;
  /** What decides whether a new connection is taken, whatever its transport. */
  readonly admission: Admission;
  /** Open connections. */
  connections(): { readonly socketio: number; readonly websocket: number; readonly sse: number };
  /** Takes the sockets of a server, which must have its router by then: Socket.IO hands on what is not its own. */
  attach(server: HttpServer): void;
  /** Ends the connections that are left. */
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
  const { hub, requests, gate, metrics, logger } = parts;
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
  const maxFrameBytes = config.publishing.maxMessageBytes + REQUEST_OVERHEAD_BYTES;
  const sse = new SseTransport({ ...shared, logger, maxTopics: topicsPerEventStream });
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
        logger,
        wsEngine: GuardedWebSocketServer,
        connectTimeoutMs: config.rates.unauthenticatedMs || CONNECT_TIMEOUT_MS,
        sessionMs: config.transports.sessionMs,
        maxPacketBytes: maxFrameBytes,
      };
      // Both hear the same channels; one of them hands on what the log announces there.
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

/** What the adapter does with the payloads of the log, which come in between its own messages. */
function payloadsOf({ inbox, metrics, logger }: TransportParts): SocketIoOptions['payloads'] {
  return {
    isHubPayload,
    receive: (stream, payload) => inbox.receive(stream, payload),
    malformed: (error) => {
      metrics.errors.count('malformed_payload');
      logger.warn(
        { error: String(error) },
        'adapter: something on the channel could not be read; it is dropped',
      );
    },
  };
}

/** The connections to Redis as an adapter wants them. */
function adapterOf({ link, metrics, logger }: TransportParts): Pick<SocketIoOptions, 'clients'> {
  const clients = link?.forAdapter((error) => {
    metrics.errors.count('adapter_publish');
    logger.debug({ error: String(error) }, 'adapter: a call to Redis failed');
  });
  return { clients };
}
