/**
 * The connections of a node as far as their tokens go: who is behind each, until when, and from where.
 *
 * One timer looks at all of them. A timer for each connection was rejected: most tokens are renewed long before they end.
 */

import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { HubError } from '../errors.js';
import type { Access, Principal } from '../hub/access.js';
import type { Subscriber } from '../hub/delivery/subscriber.js';
import { type LimitName, type Rate, Tally } from './limits.js';

export const SESSION_TRANSPORTS = ['socketio', 'websocket', 'sse'] as const;
export type SessionTransport = (typeof SESSION_TRANSPORTS)[number];

/** Why the hub ended a connection for its token, or for the lack of one. */
export const END_REASONS = ['expired', 'revoked', 'unauthenticated', 'cut', 'too_many'] as const;
export type EndReason = (typeof END_REASONS)[number];

/** A connection is told that its token ends so long before. */
export const EXPIRES_SOON_MS = 60_000;
const LOOK_EVERY_MS = 250;
/** A session that has no connection after so long will not get one. */
const NEVER_BOUND_MS = 30_000;
/** Requests that a connection may have refused, second after second, before it is ended. */
const MAX_REFUSALS = 100;

/** What a connection is for the operator. */
export interface ConnectionInfo {
  readonly id: string;
  readonly node: string;
  readonly transport: SessionTransport;
  readonly address: string;
  readonly subject: string | null;
  readonly connectedAt: number;
  readonly expiresAt: number | null;
  readonly topics: number;
}

export interface SessionLimits {
  readonly connectionsPerAddress: number;
  readonly connectionsPerSubject: number;
  readonly requestsPerSecond: number;
  readonly publishesPerSecond: number;
  /** 0: for ever. */
  readonly unauthenticatedMs: number;
}

export interface SessionsOptions {
  readonly node: string;
  readonly limits: SessionLimits;
  /** Publishes of a subject, whatever its connection. */
  readonly publishes: Rate;
  /** Requests of an address, whatever their connection. @throws HubError `rate_limited` */
  readonly spendRequest: (address: string, count: number) => void | Promise<void>;
  readonly revoked: (principal: Principal) => boolean;
  /** Who a token stands for. @throws HubError */
  readonly verify: (token: string, address: string) => Promise<Principal> | Principal;
  readonly onEnd: (reason: EndReason) => void;
  readonly onRefused: (limit: LimitName) => void;
}

/** One connection's access. */
export class Session implements Access {
  principal: Principal;
  readonly address: string;
  readonly transport: SessionTransport;
  readonly connectedAt = Date.now();
  subscriber: Subscriber | undefined;
  warned = false;
  /** It has shown that it is here for something. */
  settled = false;
  #second = 0;
  #requests = 0;
  #publishes = 0;
  #refusals = 0;
  #refusedNow = false;
  readonly #sessions: Sessions;

  constructor(sessions: Sessions, principal: Principal, address: string, transport: SessionTransport) {
    this.#sessions = sessions;
    this.principal = principal;
    this.address = address;
    this.transport = transport;
  }

  /** Its end in the hub. */
  bind(subscriber: Subscriber): void {
    this.subscriber = subscriber;
  }

  /** The connection is gone. */
  close(): void {
    this.#sessions.close(this);
  }

  async renew(token: string): Promise<Principal> {
    const principal = await this.#sessions.renewed(this, token);
    this.principal = principal;
    this.warned = false;
    return principal;
  }

  spend(what: 'request' | 'publish', count: number): void | Promise<void> {
    const now = performance.now();
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      // A second without refusals makes up for those before.
      if (!this.#refusedNow) this.#refusals = 0;
      this.#refusedNow = false;
      this.#second = second;
      this.#requests = 0;
      this.#publishes = 0;
    }
    const { limits, publishes, spendRequest } = this.#sessions.options;
    const { subject } = this.principal;
    try {
      if (what === 'request') {
        this.#requests += count;
        this.#check(this.#requests, limits.requestsPerSecond, 'requests_per_connection', now);
        // Many connections of one address have no more than one.
        return spendRequest(this.address, count);
      }
      this.#publishes += count;
      this.#check(this.#publishes, limits.publishesPerSecond, 'publishes_per_connection', now);
      return subject === undefined ? undefined : publishes.take(subject, count);
    } catch (error) {
      // Who is refused so often does not listen.
      this.#refusals += 1;
      this.#refusedNow = true;
      if (this.#refusals > MAX_REFUSALS) this.#sessions.end(this, 'too_many');
      throw error;
    }
  }

  #check(used: number, most: number, limit: LimitName, now: number): void {
    if (used <= most) {
      return;
    }
    this.#sessions.options.onRefused(limit);
    const retryAfterMs = Math.ceil((this.#second + 1) * 1000 - now);
    throw new HubError(
      'rate_limited',
      `a connection has at most ${most} a second; come back in ${retryAfterMs} ms`,
      {
        retryAfterMs,
      },
    );
  }
}

/** The connections of a node. */
export class Sessions {
  readonly options: SessionsOptions;
  readonly #sessions = new Set<Session>();
  readonly #addresses = new Tally();
  readonly #subjects = new Tally();
  readonly #timer: NodeJS.Timeout;

  constructor(options: SessionsOptions) {
    this.options = options;
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Connections from an address, by its key. */
  from(addressKey: string): number {
    return this.#addresses.of(addressKey);
  }

  /**
   * Counts a connection in; it is in until its session is closed.
   *
   * @param address what the connection is counted under
   * @throws HubError `too_many_connections`
   */
  open(principal: Principal, address: string, transport: SessionTransport): Session {
    this.#checkSubject(principal);
    const session = new Session(this, principal, address, transport);
    this.#sessions.add(session);
    this.#addresses.add(address);
    if (principal.subject !== undefined) this.#subjects.add(principal.subject);
    return session;
  }

  close(session: Session): void {
    if (!this.#sessions.delete(session)) return;
    this.#addresses.remove(session.address);
    if (session.principal.subject !== undefined) this.#subjects.remove(session.principal.subject);
  }

  /** @throws HubError where the token is not accepted, or is somebody else's. */
  async renewed(session: Session, token: string): Promise<Principal> {
    const principal = await this.options.verify(token, session.address);
    const { subject } = session.principal;
    if (subject !== undefined && subject !== principal.subject) {
      throw new HubError('denied', 'token: it is of another subject than the connection', { field: 'token' });
    }
    if (subject === undefined) {
      this.#checkSubject(principal);
      if (this.#sessions.has(session) && principal.subject !== undefined)
        this.#subjects.add(principal.subject);
    }
    return principal;
  }

  /** Ends a connection. */
  end(session: Session, reason: EndReason): void {
    const { subscriber } = session;
    if (subscriber === undefined || subscriber.ended) return;
    this.options.onEnd(reason);
    subscriber.close(reason === 'cut' ? CLOSE.denied : reason === 'too_many' ? CLOSE.tooMany : CLOSE.token);
  }

  /** Ends the connection of an id, where this node has it. */
  cut(id: string): void {
    for (const session of this.#sessions) if (session.subscriber?.id === id) this.end(session, 'cut');
  }

  /** The connection of an id, if this node has it. */
  find(id: string): ConnectionInfo[] {
    for (const session of this.#sessions) if (session.subscriber?.id === id) return [this.#describe(session)];
    return [];
  }

  /** The connections, oldest first, up to a number. */
  list(most: number): ConnectionInfo[] {
    const list: ConnectionInfo[] = [];
    for (const session of this.#sessions) {
      if (list.length >= most) break;
      if (session.subscriber !== undefined) list.push(this.#describe(session));
    }
    return list;
  }

  /** Ends what may not go on: tokens that have ended or were revoked, and who never said who they are. */
  look(): void {
    const now = Date.now();
    const { unauthenticatedMs } = this.options.limits;
    for (const session of this.#sessions) {
      const { principal, subscriber } = session;
      if (subscriber === undefined) {
        // Its connection went while it was being set up.
        if (now - session.connectedAt > NEVER_BOUND_MS) this.close(session);
        continue;
      }
      const { expiresAt, subject } = principal;
      if (subject === undefined) {
        session.settled ||= subscriber.topicCount > 0;
        if (!session.settled && unauthenticatedMs > 0 && now - session.connectedAt > unauthenticatedMs)
          this.end(session, 'unauthenticated');
      } else if (expiresAt !== undefined && expiresAt <= now) {
        this.end(session, 'expired');
      } else if (this.options.revoked(principal)) {
        this.end(session, 'revoked');
      } else if (expiresAt !== undefined && !session.warned && expiresAt - now <= EXPIRES_SOON_MS) {
        session.warned = true;
        subscriber.expiring({ expiresInMs: expiresAt - now });
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #describe({ subscriber, principal, address, transport, connectedAt }: Session): ConnectionInfo {
    return {
      id: subscriber?.id ?? '',
      node: this.options.node,
      transport,
      address,
      subject: principal.subject ?? null,
      connectedAt,
      expiresAt: principal.expiresAt ?? null,
      topics: subscriber?.topicCount ?? 0,
    };
  }

  #checkSubject({ subject }: Principal): void {
    const { connectionsPerSubject } = this.options.limits;
    if (subject === undefined || this.#subjects.of(subject) < connectionsPerSubject) return;
    this.options.onRefused('connections_per_subject');
    throw new HubError('too_many_connections', `a subject has at most ${connectionsPerSubject} on a node`, {
      retryAfterMs: 1_000,
    });
  }
}
