/**
 * The entrance of a namespace: Socket.IO handles a CONNECT packet only after a decision.
 *
 * Socket.IO itself looks the session up before its middlewares run, and answers whatever they refuse with
 * CONNECT_ERROR, after which its client never comes back. Here the token is looked at first, and a temporary refusal
 * ends the transport before there is a socket.
 */
import type { IncomingMessage } from 'node:http';
import type { Namespace, Socket } from 'socket.io';
import type { EngineConnection } from './engine-connection.js';

/** The payload of a CONNECT packet. */
export type ConnectAuth = Readonly<Record<string, unknown>>;

/** The Engine.IO connection of a client that has no socket in the namespace yet. */
export type ConnectingConnection = EngineConnection & { readonly request: IncomingMessage };

/**
 * What the hub uses of a namespace beyond its types. The one cast to internals of Socket.IO's namespaces;
 * `spec/transports/socketio-entrance.spec.ts` holds on to it.
 */
interface NamespaceInternals {
  _add(
    client: { readonly conn: ConnectingConnection },
    auth: ConnectAuth,
    done: (socket: Socket) => void,
  ): Promise<void>;
}

export class NamespaceEntrance<Decision extends object> {
  /** By connection: undefined while the decision is awaited; kept until the middleware takes it. */
  readonly #decisions = new WeakMap<object, Decision | undefined>();
  #entering: Decision | undefined;

  /** @param decide resolves with undefined if it has ended the connection. Never rejects */
  constructor(
    namespace: Namespace,
    decide: (connection: ConnectingConnection, auth: ConnectAuth) => Promise<Decision | undefined>,
  ) {
    const internals = namespace as unknown as NamespaceInternals;
    const add = internals._add.bind(namespace);
    internals._add = async (client, auth, done) => {
      const { conn } = client;
      // A second CONNECT during the decision about the first would create a second socket.
      if (this.#decisions.has(conn)) return conn.close(true);
      this.#decisions.set(conn, undefined);
      const decision = await decide(conn, auth);
      this.#decisions.set(conn, decision);
      if (decision === undefined) return;
      this.#entering = decision;
      const added = add(client, auth, done);
      this.#entering = undefined;
      await added;
    };
  }

  /**
   * What was decided about the CONNECT that is carried out in this turn: the adapter is asked for its session in it.
   */
  get entering(): Decision | undefined {
    return this.#entering;
  }

  /** What was decided about a socket, for a middleware; once. */
  take(socket: Socket): Decision | undefined {
    const decision = this.#decisions.get(socket.conn);
    this.#decisions.delete(socket.conn);
    return decision;
  }
}
