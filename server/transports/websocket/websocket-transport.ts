/**
 * Plain WebSocket at `/ws`: the hub's operations as JSON text frames, for clients without a library.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { EMPTY_CURSOR } from '@axiom-streaming/protocol/cursor';
import { withoutBom } from '@axiom-streaming/protocol/json';
import type { WebSocket } from 'ws';
import type { ClientConnection } from '../../auth/client-connections.js';
import type { Gate } from '../../auth/gate.js';
import { HubError } from '../../errors.js';
import type { Subscriber } from '../../hub/delivery/subscriber.js';
import type { Hub } from '../../hub/hub.js';
import type { RequestHandler } from '../../hub/operations/handler.js';
import type { Admission } from '../admission.js';
import { chargeFrame } from '../frame-cost.js';
import { lifelineOf } from '../lifeline.js';
import { unreadBound } from '../unread-bound.js';
import { welcomeInfo } from '../welcome.js';
import { GuardedWebSocketServer } from './guarded-server.js';
import { WebSocketSink } from './websocket-sink.js';

export const WEBSOCKET_PATH = '/ws';
/** Most requests of one connection that may wait for their answers. */
const MAX_PENDING_REQUESTS = 256;
/** A ping is late by at most this part of its interval; proxies cut connections that are silent for a little longer. */
const LOOKS_PER_PING = 15;

export interface WebSocketOptions {
  readonly hub: Hub;
  readonly gate: Gate;
  readonly admission: Admission;
  readonly requests: RequestHandler;
  readonly node: string;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  readonly maxFrameBytes: number;
  /** Write messages on the TCP sockets themselves. */
  readonly direct: boolean;
}

interface Connection {
  readonly socket: WebSocket;
  readonly sink: WebSocketSink;
  readonly subscriber: Subscriber;
  pending: number;
  /** When the last ping was sent, ms of the process's clock. */
  pingedAt: number;
  awaitsPong: boolean;
}

export class WebSocketTransport {
  readonly #options: WebSocketOptions;
  readonly #server: GuardedWebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #heartbeat: NodeJS.Timeout;
  readonly #unreadBound: number;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#unreadBound = unreadBound(options.hub);
    this.#server = new GuardedWebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxFrameBytes,
    });
    this.#heartbeat = setInterval(
      () => this.#ping(),
      Math.min(options.pingIntervalMs, options.pingTimeoutMs) / LOOKS_PER_PING,
    );
    this.#heartbeat.unref();
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Takes over an HTTP upgrade of {@link WEBSOCKET_PATH}. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    void this.#options.admission.upgrade(socket, this.#admit(request)).then((client) => {
      if (client === undefined) return;
      // `ws` itself rejects requests that are not WebSocket handshakes.
      this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#connect(webSocket, client));
    });
  }

  async #admit(request: IncomingMessage): Promise<ClientConnection> {
    const { gate, admission } = this.#options;
    const address = await admission.admit(request);
    const lifeline = lifelineOf(request.socket, ({ destroyed }) => destroyed);
    return admission.open('websocket', address, { token: gate.bearer(request) }, lifeline);
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const { subscriber } of this.#connections) subscriber.close(CLOSE.drain);
    this.#server.close();
  }

  #connect(socket: WebSocket, client: ClientConnection): void {
    const { hub, node } = this.#options;
    const sink = new WebSocketSink(socket, this.#options.direct);
    const id = randomUUID();
    const connection: Connection = {
      socket,
      sink,
      subscriber: hub.attach(id, sink, client),
      pending: 0,
      pingedAt: performance.now(),
      awaitsPong: false,
    };
    this.#connections.add(connection);
    client.bind(connection.subscriber);
    socket.on('close', () => {
      client.close();
      this.#connections.delete(connection);
      hub.detach(connection.subscriber);
    });
    // `ws` itself closes the connection after an error, with the matching code.
    socket.on('error', () => undefined);
    socket.on('pong', () => {
      connection.awaitsPong = false;
    });
    socket.on('message', (data, isBinary) => this.#receive(connection, isBinary ? undefined : String(data)));
    sink.send({ op: 'welcome', ...welcomeInfo(hub, node, connection.subscriber), cursor: EMPTY_CURSOR });
  }

  #receive(connection: Connection, text: string | undefined): void {
    // A frame that had arrived before the connection was ended.
    if (connection.subscriber.ended) return;
    if (connection.sink.bufferedBytes() > this.#unreadBound) {
      connection.subscriber.endSlow();
      return;
    }
    const frame = text === undefined ? undefined : parseFrame(text);
    const refusal =
      frame === undefined
        ? CLOSE.badRequest
        : connection.pending >= MAX_PENDING_REQUESTS
          ? CLOSE.tooMany
          : undefined;
    if (frame === undefined || refusal !== undefined) {
      // Requests after the invalid frame are not carried out.
      connection.socket.removeAllListeners('message');
      connection.subscriber.close(refusal ?? CLOSE.badRequest);
      return;
    }
    const { op, id, messageId, ...rest } = frame;
    const body = messageId === undefined ? rest : { ...rest, id: messageId };
    connection.pending += 1;
    const bytes = text?.length ?? 0;
    void this.#options.requests
      .handle(connection.subscriber, op, body, (acknowledgement) => {
        chargeFrame(connection.subscriber.access, connection.socket, {
          operation: op,
          isOk: acknowledgement.ok,
          bytes,
        });
        connection.sink.send({ op: 'ack', ...(id === undefined ? {} : { id }), ...acknowledgement });
      })
      .finally(() => {
        connection.pending -= 1;
      });
  }

  #ping(): void {
    const now = performance.now();
    const { pingIntervalMs, pingTimeoutMs } = this.#options;
    for (const connection of this.#connections) {
      const since = now - connection.pingedAt;
      if (connection.awaitsPong) {
        if (since > pingTimeoutMs) connection.subscriber.close(CLOSE.noPong);
      } else if (since > pingIntervalMs) {
        connection.pingedAt = now;
        connection.awaitsPong = true;
        connection.socket.ping();
      }
    }
  }
}

/**
 * A frame's `id` is chosen by the client to match the acknowledgement. The id of a publication, which Socket.IO has in
 * `id`, is `messageId` here.
 */
function parseFrame(
  text: string,
): ({ op: string; id?: string | number } & Record<string, unknown>) | undefined {
  try {
    const frame: unknown = JSON.parse(withoutBom(text));
    if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) return undefined;
    const { op, id } = frame as Record<string, unknown>;
    if (typeof op !== 'string') return undefined;
    if (id !== undefined && typeof id !== 'string' && typeof id !== 'number') return undefined;
    return frame as { op: string };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw new HubError('internal', 'a frame could not be read', { cause: error });
  }
}
