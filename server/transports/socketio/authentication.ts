/**
 * Who gets a Socket.IO connection: by origin and address at Engine.IO's handshake, by token when the namespace is
 * opened. Resumed sessions are checked here too, with the client's present token.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseTopic } from '@axiom-streaming/protocol/topic';
import type { Socket } from 'socket.io';
import type { ClientConnection } from '../../auth/client-connections.js';
import type { Gate } from '../../auth/gate.js';
import { HubError } from '../../errors.js';
import type { Principal } from '../../hub/access.js';
import type { Admission } from '../admission.js';
import type { Resumption } from './resume.js';

/** What Engine.IO keeps with a request. */
interface EngineRequest extends IncomingMessage {
  readonly _query: { readonly sid?: string };
}

export class Authentication {
  readonly #gate: Gate;
  readonly #admission: Admission;
  /** Between the middleware and the connection handler. */
  readonly #clients = new WeakMap<Socket, ClientConnection>();

  constructor(gate: Gate, admission: Admission) {
    this.#gate = gate;
    this.#admission = admission;
  }

  /** An Engine.IO middleware. It answers refusals itself: Engine.IO would answer them with a bare 400 or 403. */
  readonly handshake = (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const admitted = this.#admit(request as EngineRequest);
    if (request.headers.upgrade === undefined) {
      admitted.then(
        () => next(),
        (error: unknown) => this.#admission.refuse(response, error),
      );
      return;
    }
    void this.#admission
      .upgrade(
        request.socket,
        admitted.then(() => true),
      )
      .then((isAdmitted) => {
        if (isAdmitted) next();
      });
  };

  /** Opens the connection of a socket, in Socket.IO's middleware. @throws HubError if its token is not accepted. */
  async authenticate(socket: Socket): Promise<void> {
    const { handshake, request } = socket;
    const { token } = handshake.auth as { token?: unknown };
    if (token !== undefined && typeof token !== 'string') {
      throw new HubError('bad_request', 'auth.token: must be a string', { field: 'token' });
    }
    const address = this.#gate.countedAddress(request);
    const client = await this.#admission.open('socketio', address, {
      token: token ?? this.#gate.bearer(request),
    });
    this.#clients.set(socket, client);
    // What `fetchSockets` of other nodes would be sent.
    delete (handshake.auth as { token?: unknown }).token;
    delete handshake.headers.authorization;
    delete handshake.headers.cookie;
    if (socket.recovered) withhold(socket, client.principal);
  }

  /** The connection of a socket that {@link authenticate} let through. */
  clientOf(socket: Socket): ClientConnection {
    const client = this.#clients.get(socket);
    if (client === undefined) throw new HubError('internal', 'a socket came that was not authenticated');
    this.#clients.delete(socket);
    return client;
  }

  async #admit(request: EngineRequest): Promise<void> {
    if (request._query.sid === undefined) await this.#admission.admit(request);
    else this.#gate.checkPage(request);
  }
}

/** Removes the topics that may no longer be read from a resumed session. */
function withhold(socket: Socket, principal: Principal): void {
  const data = socket.data as { resumption: Resumption };
  const { resumption } = data;
  const mayRead = (text: string) => {
    const topic = parseTopic(text);
    return topic !== undefined && principal.mayRead(topic);
  };
  const denied = [...resumption.resumed, ...resumption.fresh].filter((topic) => !mayRead(topic));
  if (denied.length === 0) return;
  for (const topic of denied) void socket.leave(topic);
  data.resumption = {
    ...resumption,
    resumed: resumption.resumed.filter(mayRead),
    fresh: resumption.fresh.filter(mayRead),
    denied,
  };
}
