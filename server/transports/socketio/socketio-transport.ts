/**
 * Socket.IO: the hub's operations and events for unmodified Socket.IO clients (docs/PROTOCOL.md).
 */
import type { EventEmitter } from 'node:events';
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Ack, SubscribeAnswer } from '@axiom-streaming/protocol/answers';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { EMPTY_CURSOR } from '@axiom-streaming/protocol/cursor';
import type { TopicVerdict, WelcomeInfo } from '@axiom-streaming/protocol/message';
import { Server, type Socket } from 'socket.io';
import type { Gate } from '../../auth/gate.js';
import { errorBody } from '../../errors.js';
import type { Encoding } from '../../hub/delivery/encoding.js';
import type { Subscriber } from '../../hub/delivery/subscriber.js';
import type { Hub } from '../../hub/hub.js';
import { isOperation, type RequestHandler } from '../../hub/operations/handler.js';
import { subscribe } from '../../hub/operations/subscribe.js';
import type { Logger } from '../../logger.js';
import type { Admission } from '../admission.js';
import { chargeFrame, FREE_FRAME_BYTES } from '../frame-cost.js';
import { unreadBound } from '../unread-bound.js';
import { welcomeInfo } from '../welcome.js';
import { Authentication, type ConnectDecision } from './authentication.js';
import {
  dropRequest,
  type EngineConnection,
  endConnection,
  engineConnection,
  hasEngineSession,
  holdsMoreThan,
} from './engine-connection.js';
import { followForeignEvents } from './foreign-events.js';
import { type AdapterHooks, hubAdapter } from './hub-adapter.js';
import { socketIoEncoding } from './message-encoding.js';
import { hasCursor, withoutCursor } from './missing-cursor.js';
import { guardedMsgpackParser, msgpackEncoding } from './msgpack-encoding.js';
import { NamespaceEntrance } from './namespace-entrance.js';
import { PacketRate } from './packet-rate.js';
import { Resumer, type Resumption, sessionVerdict } from './resume.js';
import type { SessionBudget } from './session-budget.js';
import { SessionKeeper } from './session-keeper.js';
import type { SessionStore } from './sessions.js';
import { type HubSocket, SocketSink } from './socket-sink.js';

/** How packets are written, and where. */
export interface Dialect {
  /** Without a slash at its end. */
  readonly path: string;
  readonly encoding: Encoding;
  /** Default: Socket.IO's own. */
  readonly parser?: unknown;
}

/**
 * The encodings of a node. A client and its server must use the same one, or it reconnects forever without an error.
 */
export const JSON_DIALECT: Dialect = { path: '/socket.io', encoding: socketIoEncoding };
export const MSGPACK_DIALECT: Dialect = {
  path: '/msgpack',
  encoding: msgpackEncoding,
  parser: guardedMsgpackParser,
};

export interface SocketIoOptions {
  readonly dialect: Dialect;
  readonly httpServer: HttpServer;
  readonly hub: Hub;
  readonly gate: Gate;
  readonly admission: Admission;
  readonly requests: RequestHandler;
  readonly sessions: SessionStore;
  /** Shared with the other dialects of the node. */
  readonly sessionBudget: SessionBudget;
  readonly logger: Logger;
  readonly node: string;
  /** How the adapter recognises and passes on the stream log's payloads. */
  readonly payloads: Pick<AdapterHooks, 'isHubPayload' | 'receive' | 'malformed'>;
  /** The two Redis connections that the adapter needs; without them the node runs alone. */
  readonly clients: { pubClient: object; subClient: object } | undefined;
  /** The class of the WebSocket server below Engine.IO. */
  readonly wsEngine: unknown;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** How long a client may be away and still find its session. */
  readonly sessionMs: number;
  /** How long a client may take to open its namespace. */
  readonly connectTimeoutMs: number;
  /** The largest packet that is read, bytes. */
  readonly maxPacketBytes: number;
  /** Write messages past Engine.IO's buffer while that is empty. */
  readonly direct: boolean;
}

type Acknowledge = (acknowledgement: Ack) => void;

export class SocketIoTransport {
  readonly io: Server;
  readonly #options: SocketIoOptions;
  readonly #resumer: Resumer;
  readonly #authentication: Authentication;
  readonly #entrance: NamespaceEntrance<ConnectDecision>;
  readonly #keeper: SessionKeeper;
  /** Bytes of the packet that came last, where it is large, until it is dealt with. */
  readonly #largePackets = new WeakMap<EngineConnection, number>();

  constructor(options: SocketIoOptions) {
    this.#options = options;
    const { hub, sessions, logger, gate } = options;
    this.#resumer = new Resumer({
      hub,
      sessions,
      logger,
      endOldConnection: (sid) => this.#endOldConnection(sid),
    });
    this.#authentication = new Authentication({
      gate,
      admission: options.admission,
      logger,
      isKnown: (sid) => hasEngineSession(this.io, sid),
      restoreSession: (pid, offset, claim) => this.#resumer.restore(pid, offset, claim),
    });
    const hooks: AdapterHooks = {
      ...options.payloads,
      restoreSession: async () => {
        const { entering } = this.#entrance;
        return entering !== undefined && 'session' in entering ? entering.session : null;
      },
    };
    this.io = new Server(options.httpServer, {
      path: options.dialect.path,
      ...(options.dialect.parser === undefined ? {} : { parser: options.dialect.parser }),
      adapter: hubAdapter(hooks, options.clients),
      connectionStateRecovery: { maxDisconnectionDuration: options.sessionMs, skipMiddlewares: false },
      // Engine.IO would end every upgrade that is not its own after a second.
      destroyUpgrade: false,
      serveClient: false,
      pingInterval: options.pingIntervalMs,
      pingTimeout: options.pingTimeoutMs,
      wsEngine: options.wsEngine as never,
      connectTimeout: options.connectTimeoutMs,
      maxHttpBufferSize: options.maxPacketBytes,
      // Decided for each request: the hub's own pages are allowed by the host name under which they reached it.
      cors: ((request: IncomingMessage, decide: (error: null, options: object) => void) => {
        // Cookies identify nobody here, but a proxy may choose the node by one.
        decide(null, { origin: gate.allowsOrigin(request), credentials: gate.allowsCredentials(request) });
      }) as never,
      perMessageDeflate: false,
    });
    this.io.engine.use(this.#authentication.handshake);
    const [bound, rate] = [unreadBound(hub), PacketRate.of(gate.connections.options.limits)];
    const transport = this;
    // One function for all connections. Not only operations are answered: so is a CONNECT to an unknown namespace.
    function look(this: EngineConnection, { data }: { readonly data?: string | Buffer }): void {
      if (data !== undefined && data.length > FREE_FRAME_BYTES)
        transport.#largePackets.set(this, data.length);
      if (rate.isOver(this)) endConnection(this, CLOSE.tooMany);
      if (holdsMoreThan(this, bound)) transport.#endUnread(this);
    }
    this.io.engine.on('connection', (connection: EventEmitter) => connection.on('packet', look));
    this.#entrance = new NamespaceEntrance(this.io.of('/'), this.#authentication.decide);
    this.io.use((socket, next) => {
      try {
        this.#authentication.enter(socket, this.#entrance.take(socket));
        next();
      } catch (error) {
        const data = errorBody(error);
        next(Object.assign(new Error(data.message), { data }));
      }
    });
    this.io.on('connection', (socket) => {
      this.#connect(socket).catch((error: unknown) => {
        logger.error(
          { connection: socket.id, error: String(error) },
          'socketio: a connection could not be set up',
        );
        const subscriber = hub.subscribers.get(socket.id);
        if (subscriber === undefined) endConnection(engineConnection(socket), CLOSE.setUpFailed);
        else subscriber.close(CLOSE.setUpFailed);
      });
    });
    this.#keeper = new SessionKeeper({
      store: sessions,
      budget: options.sessionBudget,
      logger,
      renewEveryMs: options.sessionMs / 3,
      endTaken: (socket) => engineConnection(socket).close(true),
    });
  }

  /** Open connections, as counted by Engine.IO. */
  get connections(): number {
    return this.io.engine.clientsCount;
  }

  /** Closes the remaining connections and the adapter. */
  async close(): Promise<void> {
    this.#keeper.stop();
    for (const socket of this.io.sockets.sockets.values()) {
      const subscriber = this.#options.hub.subscribers.get(socket.id);
      // Through the hub, which counts the causes for which connections end.
      if (subscriber === undefined) endConnection(engineConnection(socket), CLOSE.drain);
      else subscriber.close(CLOSE.drain);
    }
    this.io.engine.close();
    this.io.of('/').adapter.close();
  }

  async #connect(socket: HubSocket): Promise<void> {
    const { hub, node, dialect, direct } = this.#options;
    const { client, owner } = this.#authentication.admittedAs(socket);
    const { resumption } = socket.data as { resumption?: Resumption };
    socket.data = {};
    const subscriber = hub.attach(
      socket.id,
      new SocketSink(socket, dialect.encoding, direct, () => this.#keeper.doubt()),
      client,
    );
    client.bind(subscriber);
    this.#keeper.add(socket, subscriber, { owner, since: resumption?.since, client });
    socket.on('disconnect', (reason) => {
      client.close();
      // Engine.IO ends it without asking the hub.
      if (reason === 'ping timeout') subscriber.endedBy ??= CLOSE.noPong;
      hub.detach(subscriber);
      // The client disconnected on purpose and will not resume the session.
      if (reason === 'client namespace disconnect') {
        void this.#keeper.forget(socket);
        // There is nothing but the main namespace: a connection without it would go on and count for nobody.
        engineConnection(socket).close();
      } else this.#keeper.drop(socket);
    });
    followForeignEvents(socket, subscriber);
    const { pid } = socket.handshake.auth as { pid?: unknown };
    this.#listen(socket, subscriber, typeof pid === 'string' && resumption === undefined);
    dropRequest(socket);
    if (resumption !== undefined) {
      await this.#resume(socket, subscriber, resumption);
      return;
    }
    const notResumed = typeof pid === 'string' ? this.#resumer.whyNotResumed(pid) : undefined;
    const info = welcomeInfo(hub, node, subscriber);
    socket.emit(
      'welcome',
      notResumed === undefined ? info : { ...info, recovered: false, ...notResumed },
      EMPTY_CURSOR,
    );
  }

  async #resume(socket: HubSocket, subscriber: Subscriber, resumption: Resumption): Promise<void> {
    const { hub, node } = this.#options;
    const info = welcomeInfo(hub, node, subscriber);
    const { resumed, fresh, since, conflations, denied = [] } = resumption;
    const others: readonly TopicVerdict[] = [
      ...fresh.map((topic) => ({ topic })),
      ...denied.map((topic) => ({ topic, recovered: false as const, reason: 'denied' as const })),
    ];
    const welcome = (verdicts: readonly TopicVerdict[], cursor: string) => {
      const topics = [...verdicts, ...others];
      socket.emit('welcome', { ...info, ...sessionVerdict(topics), topics } satisfies WelcomeInfo, cursor);
    };
    const continued = {
      conflations,
      onPlanned: ({ topics: verdicts, cursor }: SubscribeAnswer) => welcome(verdicts, cursor),
    };
    const begun = { conflations, onPlanned: () => undefined };
    if (resumed.length === 0) welcome([], EMPTY_CURSOR);
    // Both are in the queue before anything that the client asks for.
    await Promise.all([
      resumed.length > 0 && subscribe(hub, subscriber, { topics: [...resumed], since }, continued),
      fresh.length > 0 && subscribe(hub, subscriber, { topics: [...fresh] }, begun),
    ]);
    this.#keeper.resumed(socket);
  }

  /** @param returning whether the client was here before, and its session was not taken up */
  #listen(socket: Socket, subscriber: Subscriber, returning: boolean): void {
    let mayMiss = returning;
    // One closure per connection in place of a listener for each operation.
    socket.use(([event, ...args], next) => {
      const last = args.at(-1);
      // A request that had arrived before the connection was ended.
      if (subscriber.ended) return;
      // An event of others that asks for no answer: it goes on, unless it would be one too many.
      if (!isOperation(String(event)) && typeof last !== 'function') {
        if (this.#isPaidFor(subscriber)) next();
        return;
      }
      const acknowledge = typeof last === 'function' ? (last as Acknowledge) : () => undefined;
      const body = typeof args[0] === 'function' ? undefined : args[0];
      const connection = engineConnection(socket);
      const bytes = this.#largePackets.get(connection) ?? 0;
      if (bytes > 0) this.#largePackets.delete(connection);
      void this.#handle(socket, subscriber, String(event), body, (ack) => {
        const source = connection.transport.socket;
        chargeFrame(subscriber.access, source, { operation: String(event), isOk: ack.ok, bytes });
        const misses = mayMiss && event === 'subscribe' && ack.ok;
        if (misses) mayMiss = false;
        acknowledge(misses && !hasCursor(body) ? withoutCursor(ack) : ack);
      });
    });
  }

  async #handle(
    socket: Socket,
    subscriber: Subscriber,
    operation: string,
    body: unknown,
    acknowledge: Acknowledge,
  ): Promise<void> {
    await this.#options.requests.handle(subscriber, operation, body, acknowledge, async ({ cursor }) => {
      this.#joinRooms(socket, subscriber);
      await this.#keeper.save(socket, cursor);
    });
  }

  /** Whether a connection may send an event that asks for no answer. One that goes on all the same is closed with 4429. */
  #isPaidFor({ id, access }: Subscriber): boolean {
    const refused = (error: unknown) => {
      this.#options.logger.debug({ connection: id, error: String(error) }, 'socketio: an event was dropped');
    };
    try {
      const held = access.spend('request', 1);
      held?.catch(refused);
      return held === undefined;
    } catch (error) {
      refused(error);
      return false;
    }
  }

  /** The rooms named after its topics: ordinary emits to them reach the subscriber. */
  #joinRooms(socket: Socket, subscriber: Subscriber): void {
    const topics = new Set(subscriber.topics());
    for (const room of socket.rooms) {
      if (room !== socket.id && room.includes(':') && !topics.has(room)) void socket.leave(room);
    }
    void socket.join([...topics]);
  }

  /** Ends a connection whose client asks, and does not read the answers. */
  #endUnread(connection: EngineConnection): void {
    for (const socket of this.io.sockets.sockets.values()) {
      if (engineConnection(socket) === connection) this.#options.hub.subscribers.get(socket.id)?.endSlow();
    }
    endConnection(connection, CLOSE.slow);
  }

  /** A client reconnected before its old connection was seen to end: two sockets must not share an id. */
  #endOldConnection(sid: string): void {
    const old = this.io.sockets.sockets.get(sid);
    if (old !== undefined) engineConnection(old).close(true);
  }
}
