/**
 * Who gets a Socket.IO connection: by origin and address at Engine.IO's handshake, by token when the namespace is
 * opened. Sessions that are taken up pass here as well, with the token that the client has now.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseTopic } from '@axiom-streaming/protocol/topic';
import type { Socket } from 'socket.io';
import type { Gate } from '../../auth/gate.js';
import type { Session } from '../../auth/sessions.js';
import { HubError } from '../../errors.js';
import type { Principal } from '../../hub/access.js';
import { refuseUpgrade, sendProblem } from '../problem.js';
import type { Resumption } from './resume.js';

/** What Engine.IO keeps with a request. */
interface EngineRequest extends IncomingMessage {
  readonly _query: { readonly sid?: string };
}

export class Authentication {
  readonly #gate: Gate;
  /** Between the middleware and the connection handler. */
  readonly #sessions = new WeakMap<Socket, Session>();

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  /** A middleware of Engine.IO. A request that is refused goes no further: its status is the gate's, not 400 or 403. */
  readonly handshake = (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const upgrades = request.headers.upgrade !== undefined;
    const { socket } = request;
    // Nobody else listens while the gate looks, and an error without a listener would end the process.
    const failed = () => socket.destroy();
    if (upgrades) socket.on('error', failed);
    this.#admit(request as EngineRequest).then(
      () => {
        socket.off('error', failed);
        next();
      },
      (error: unknown) => {
        if (upgrades) refuseUpgrade(socket, error);
        else sendProblem(response, error);
      },
    );
  };

  /** Opens a session for a socket, in Socket.IO's middleware. @throws HubError where its token is not accepted. */
  async authenticate(socket: Socket): Promise<void> {
    const { handshake, request } = socket;
    const { token } = handshake.auth as { token?: unknown };
    if (token !== undefined && typeof token !== 'string') {
      throw new HubError('bad_request', 'auth.token: must be a string', { field: 'token' });
    }
    const address = this.#gate.countedAddress(request);
    const principal = await this.#gate.identify(token ?? this.#gate.bearer(request), address);
    const session = this.#gate.open(principal, address, 'socketio');
    this.#sessions.set(socket, session);
    // What `fetchSockets` of other nodes would be sent.
    delete (handshake.auth as { token?: unknown }).token;
    delete handshake.headers.authorization;
    delete handshake.headers.cookie;
    if (socket.recovered) withhold(socket, principal);
  }

  /** The session of a socket that {@link authenticate} let through. */
  sessionOf(socket: Socket): Session {
    const session = this.#sessions.get(socket);
    if (session === undefined) throw new HubError('internal', 'a socket came without a session');
    this.#sessions.delete(socket);
    return session;
  }

  async #admit(request: EngineRequest): Promise<void> {
    if (request._query.sid === undefined) await this.#gate.admit(request);
    else this.#gate.checkPage(request);
  }
}

/** Takes out of a resumed session what may not be read any more. */
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
