/**
 * Decides who gets a Socket.IO connection: by origin and address at Engine.IO's handshake, by token when the namespace
 * is opened. Resumed sessions are checked here too, with the client's current token.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { parseTopic } from '@axiom-streaming/protocol/topic';
import type { Socket } from 'socket.io';
import type { Session } from 'socket.io-adapter';
import type { ClientConnection } from '../../auth/client-connections.js';
import type { Gate } from '../../auth/gate.js';
import { ERRORS, HubError } from '../../errors.js';
import type { Principal } from '../../hub/access.js';
import type { Logger } from '../../logger.js';
import type { Admission } from '../admission.js';
import { lifelineOf } from '../lifeline.js';
import { endConnection } from './engine-connection.js';
import type { ConnectAuth, ConnectingConnection } from './namespace-entrance.js';
import { OldProtocols } from './old-protocols.js';
import type { Claim, Resumption } from './resume.js';
import { sendUnknownSession, UNKNOWN_SESSION, UnknownSessions } from './unknown-sessions.js';

/** What Engine.IO keeps with a request. */
interface EngineRequest extends IncomingMessage {
  readonly _query: { readonly sid?: string; readonly EIO?: string };
}

type Admitted = Pick<Extract<ConnectDecision, { client: ClientConnection }>, 'client' | 'owner'>;

/**
 * The decision about a CONNECT before Socket.IO handles it: the client's connection, or the reason of a final refusal.
 */
export type ConnectDecision =
  | {
      readonly client: ClientConnection;
      /** The session that it resumes. */
      readonly session: Session | null;
      /** The name under which it owns its session, whether taken up or new. */
      readonly owner: string;
    }
  | { readonly refusal: unknown };

export interface AuthenticationOptions {
  readonly gate: Gate;
  readonly admission: Admission;
  readonly logger: Logger;
  /** Whether Engine.IO has a session of this id, on this node. */
  readonly isKnown: (sid: string) => boolean;
  /** The session that a client may resume, or null. */
  readonly restoreSession: (pid: string, offset: string, claim: Claim) => Promise<Session | null>;
}

export class Authentication {
  readonly #gate: Gate;
  readonly #admission: Admission;
  readonly #restoreSession: AuthenticationOptions['restoreSession'];
  readonly #oldProtocols: OldProtocols;
  readonly #unknown: UnknownSessions;
  /** Between the middleware and the connection handler. */
  readonly #admitted = new WeakMap<Socket, Admitted>();

  constructor({ gate, admission, logger, isKnown, restoreSession }: AuthenticationOptions) {
    this.#gate = gate;
    this.#admission = admission;
    this.#restoreSession = restoreSession;
    this.#oldProtocols = new OldProtocols(logger);
    this.#unknown = new UnknownSessions({ isKnown, logger });
  }

  /** An Engine.IO middleware. It answers refusals itself: Engine.IO would answer them with a bare 400 or 403. */
  readonly handshake = (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const { _query: query } = request as EngineRequest;
    if (query.sid === undefined && this.#oldProtocols.isOld(query.EIO)) {
      this.#refuseOld(request as EngineRequest, response);
      return;
    }
    const admitted = this.#admit(request as EngineRequest);
    if (request.headers.upgrade === undefined) {
      admitted.then(
        () => next(),
        (error: unknown) => this.#refuse(response, error),
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

  /**
   * Decides about a CONNECT. A temporary refusal ends the transport, so that the client library reconnects; after a
   * CONNECT_ERROR it never does.
   *
   * @returns undefined if it has ended the connection
   */
  readonly decide = async (
    connection: ConnectingConnection,
    auth: ConnectAuth,
  ): Promise<ConnectDecision | undefined> => {
    try {
      return await this.#open(connection, auth);
    } catch (error) {
      this.#admission.onRefused(error);
      if (error instanceof HubError && !ERRORS[error.code].retry) return { refusal: error };
      endConnection(connection, isLimit(error) ? CLOSE.tooMany : CLOSE.setUpFailed);
      return undefined;
    }
  };

  /** Admits a socket, in Socket.IO's middleware. @throws a final refusal */
  enter(socket: Socket, decision: ConnectDecision | undefined): void {
    if (decision === undefined) throw new HubError('internal', 'a socket came that was not authenticated');
    if ('refusal' in decision) throw decision.refusal;
    const { handshake } = socket;
    this.#admitted.set(socket, decision);
    // What `fetchSockets` of other nodes would be sent.
    delete (handshake.auth as { token?: unknown }).token;
    delete handshake.headers.authorization;
    delete handshake.headers.cookie;
    if (socket.recovered) withhold(socket, decision.client.principal);
  }

  /** The connection of a socket that {@link enter} let in, and the name under which it owns its session. */
  admittedAs(socket: Socket): Admitted {
    const admitted = this.#admitted.get(socket);
    if (admitted === undefined) throw new HubError('internal', 'a socket came that was not authenticated');
    this.#admitted.delete(socket);
    return admitted;
  }

  async #open(connection: ConnectingConnection, auth: ConnectAuth): Promise<ConnectDecision | undefined> {
    const { request } = connection;
    const address = this.#gate.countedAddress(request);
    const principal = await this.#gate.identify(tokenOf(auth) ?? this.#gate.bearer(request), address);
    const { pid, offset } = auth;
    const owner = randomUUID();
    const session =
      typeof pid === 'string' && typeof offset === 'string'
        ? await this.#restoreSession(pid, offset, { owner, subject: principal.subject })
        : null;
    if (connection.readyState !== 'open') return undefined;
    // Counted only now: a client at its limit still had its old connection until here.
    const lifeline = lifelineOf(connection, ({ readyState }) => readyState === 'closed');
    return { client: this.#gate.open(principal, address, 'socketio', lifeline), session, owner };
  }

  async #admit(request: EngineRequest): Promise<void> {
    const { sid } = request._query;
    if (sid === undefined) {
      await this.#admission.admit(request);
      return;
    }
    this.#gate.checkPage(request);
    if (!this.#unknown.has(sid)) return;
    await this.#gate.costs.spend(request);
    throw UNKNOWN_SESSION;
  }

  /** At the price of a request. */
  #refuseOld(request: EngineRequest, response: ServerResponse): void {
    const refuse = () => this.#oldProtocols.refuse(request, request._query.EIO, response);
    const paid = (async () => this.#gate.costs.spend(request))();
    if (request.headers.upgrade === undefined) {
      paid.then(refuse, (error: unknown) => this.#refuse(response, error));
      return;
    }
    void this.#admission
      .upgrade(
        request.socket,
        paid.then(() => true),
      )
      .then((isPaid) => {
        if (isPaid) refuse();
      });
  }

  #refuse(response: ServerResponse, error: unknown): void {
    if (error !== UNKNOWN_SESSION) {
      this.#admission.refuse(response, error);
      return;
    }
    this.#admission.onRefused(error);
    sendUnknownSession(response);
  }
}

/** The token of a client; `null` and an empty one mean none. @throws HubError `bad_request` */
function tokenOf({ token }: ConnectAuth): string | undefined {
  if (token === undefined || token === null || token === '') return undefined;
  if (typeof token === 'string') return token;
  throw new HubError('bad_request', 'auth.token: must be a string, or null', { field: 'token' });
}

function isLimit(error: unknown): boolean {
  return error instanceof HubError && ERRORS[error.code].status === 429;
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
