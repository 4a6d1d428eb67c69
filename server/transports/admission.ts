import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TransportName } from '@axiom-streaming/protocol/transports';
import type { ClientConnection } from '../auth/client-connections.js';
import type { Gate } from '../auth/gate.js';
import type { Lifeline } from '../auth/lifeline.js';
import { HubError } from '../errors.js';
import type { Principal } from '../hub/access.js';
import { HandshakeLimiter, type HandshakeLimiterOptions, type OverloadReason } from './handshake-limiter.js';
import { refuseUpgrade, sendProblem } from './problem.js';

/**
 * The refusal of a handshake that the node has no capacity for: 503 with `Retry-After`, so a proxy tries the next node.
 */
export const OVERLOADED = new HubError('overloaded', 'the node takes no more connections now');

/** The credentials of a connection; without any it is anonymous. */
export interface Credentials {
  readonly token?: string | undefined;
  /** Used if there is no token. */
  readonly ticket?: string | undefined;
}

export interface AdmissionOptions extends HandshakeLimiterOptions {
  readonly gate: Gate;
  /**
   * Told of every error with which an upgrade or a Socket.IO connection is refused, to count and log it. The router
   * does that for event streams, as for every request.
   */
  readonly onRefused: (error: unknown) => void;
}

/**
 * How a connection is admitted, whatever its transport: {@link admit} when its handshake arrives, {@link open} when it
 * has presented its credentials. Socket.IO does the two at different times, the others one right after the other.
 */
export class Admission {
  /** Handshakes that were refused because the node is overloaded, for metrics. */
  readonly overloads: Record<OverloadReason, number> = { draining: 0, rate: 0 };
  /** As {@link AdmissionOptions.onRefused}, for handshakes that a transport answers itself. */
  readonly onRefused: (error: unknown) => void;
  readonly #gate: Gate;
  readonly #limiter: HandshakeLimiter;

  constructor({ gate, onRefused, ...limits }: AdmissionOptions) {
    this.#gate = gate;
    this.onRefused = onRefused;
    this.#limiter = new HandshakeLimiter(limits);
  }

  /**
   * Checks the origin, then the limit of the address, then that of the node, so that one address cannot use up the
   * node's capacity.
   *
   * @returns the address that the connection is counted under
   * @throws HubError {@link OVERLOADED}, and as {@link Gate.admit}
   */
  async admit(request: IncomingMessage): Promise<string> {
    const address = await this.#gate.admit(request);
    const reason = this.#limiter.take();
    if (reason === undefined) return address;
    this.overloads[reason] += 1;
    throw OVERLOADED;
  }

  /**
   * Checks the credentials.
   *
   * @param address as {@link admit} returns it
   * @param lifeline what the connection is set up on: until it is bound to a subscriber, it counts only while that lasts
   * @param check throws if the principal may not do what the connection is for
   * @returns the connection, to be closed when it closes once it is bound, or if it is never established
   * @throws HubError as {@link Gate.identify}, {@link Gate.redeem}, {@link Gate.open} and `check`
   */
  async open(
    transport: TransportName,
    address: string,
    { token, ticket }: Credentials,
    lifeline: Lifeline,
    check?: (principal: Principal) => void,
  ): Promise<ClientConnection> {
    const principal =
      token === undefined && ticket !== undefined
        ? await this.#gate.redeem(ticket, address)
        : await this.#gate.identify(token, address);
    check?.(principal);
    return this.#gate.open(principal, address, transport, lifeline);
  }

  /**
   * Holds an upgrade until it is admitted; if it is refused, answers it and resolves with undefined. Nothing else
   * listens to its socket meanwhile, and an error without a listener would end the process.
   */
  async upgrade<T>(socket: Duplex, admitted: Promise<T>): Promise<T | undefined> {
    const failed = () => socket.destroy();
    socket.on('error', failed);
    try {
      return await admitted;
    } catch (error) {
      this.refuseUpgrade(socket, error);
      return undefined;
    } finally {
      socket.off('error', failed);
    }
  }

  /** Refuses an upgrade that no transport takes, which costs as much as a request. */
  async refuseUnknown(request: IncomingMessage, socket: Duplex, error: HubError): Promise<void> {
    const paid = async () => {
      await this.#gate.costs.spend(request);
      throw error;
    };
    await this.upgrade(socket, paid());
  }

  /** Answers a refused upgrade, whose connection ends. */
  refuseUpgrade(socket: Duplex, error: unknown): void {
    this.onRefused(error);
    refuseUpgrade(socket, error);
  }

  /** Answers a refused handshake over HTTP. */
  refuse(response: ServerResponse, error: unknown): void {
    this.onRefused(error);
    refuseHandshake(response, error);
  }
}

/** Answers a refused handshake over HTTP. An overloaded node also closes its TCP connection. */
export function refuseHandshake(response: ServerResponse, error: unknown): void {
  if (error === OVERLOADED) response.setHeader('Connection', 'close');
  sendProblem(response, error);
}
