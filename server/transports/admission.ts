import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Gate } from '../auth/gate.js';
import type { Session, SessionTransport } from '../auth/sessions.js';
import { HubError } from '../errors.js';
import type { Principal } from '../hub/access.js';
import { HandshakeLimiter, type HandshakeLimiterOptions, type OverloadReason } from './handshake-limiter.js';
import { refuseUpgrade, sendProblem } from './problem.js';

/** What a handshake is told that the node cannot take: 503 with `Retry-After`, so a proxy tries the next node. */
export const OVERLOADED = new HubError('overloaded', 'the node takes no more connections now');

/** What a connection says who it is with; nothing of it: nobody in particular. */
export interface Credentials {
  readonly token?: string | undefined;
  /** Counts where there is no token. */
  readonly ticket?: string | undefined;
}

export interface AdmissionOptions extends HandshakeLimiterOptions {
  readonly gate: Gate;
}

/**
 * How a connection comes in, whatever its transport: {@link admit} when its handshake arrives, {@link open} when it has
 * said who it is. Socket.IO does the two at different times; the others, one after the other.
 */
export class Admission {
  /** Handshakes that were refused for what the node can take, for metrics. */
  readonly overloads: Record<OverloadReason, number> = { draining: 0, rate: 0 };
  readonly #gate: Gate;
  readonly #limiter: HandshakeLimiter;

  constructor({ gate, ...limits }: AdmissionOptions) {
    this.#gate = gate;
    this.#limiter = new HandshakeLimiter(limits);
  }

  /**
   * By the page, by the address, then by what the node can take: one address must not use up what is there for others.
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
   * By who it is.
   *
   * @param address as {@link admit} returns it
   * @param check throws where the principal may not do what the connection is for
   * @returns to be closed when the connection is, or does not come about
   * @throws HubError as {@link Gate.identify}, {@link Gate.redeem}, {@link Gate.open} and `check`
   */
  async open(
    transport: SessionTransport,
    address: string,
    { token, ticket }: Credentials,
    check?: (principal: Principal) => void,
  ): Promise<Session> {
    const principal =
      token === undefined && ticket !== undefined
        ? await this.#gate.redeem(ticket)
        : await this.#gate.identify(token, address);
    check?.(principal);
    return this.#gate.open(principal, address, transport);
  }
}

/**
 * Lets an upgrade wait until it is admitted; where it is not, answers it and resolves with undefined. Nobody else
 * listens to its socket meanwhile, and an error without a listener would end the process.
 */
export async function admitUpgrade<T>(socket: Duplex, admitted: Promise<T>): Promise<T | undefined> {
  const failed = () => socket.destroy();
  socket.on('error', failed);
  try {
    return await admitted;
  } catch (error) {
    refuseUpgrade(socket, error);
    return undefined;
  } finally {
    socket.off('error', failed);
  }
}

/** Answers a handshake over HTTP that is refused. A node that has too much to do does not keep its TCP connection. */
export function refuseHandshake(response: ServerResponse, error: unknown): void {
  if (error === OVERLOADED) response.setHeader('Connection', 'close');
  sendProblem(response, error);
}
