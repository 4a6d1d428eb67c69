/**
 * The sessions of a node: for each connection, its principal, when its token expires, and where it came from.
 *
 * One timer checks all of them. A timer per connection was rejected: most tokens are renewed long before they expire.
 */

import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { HubError } from '../errors.js';
import type { Access, Principal } from '../hub/access.js';
import type { Subscriber } from '../hub/delivery/subscriber.js';
import { type LimitName, type Rate, Tally } from './limits.js';

export const SESSION_TRANSPORTS = ['socketio', 'websocket', 'sse'] as const;
export type SessionTransport = (typeof SESSION_TRANSPORTS)[number];

/** Why the hub ended a connection for reasons of access. */
export const END_REASONS = ['expired', 'revoked', 'unauthenticated', 'cut', 'too_many'] as const;
export type EndReason = (typeof END_REASONS)[number];

/** How long before its token expires a connection is warned, ms. */
export const EXPIRES_SOON_MS = 60_000;
const LOOK_EVERY_MS = 250;
/** A session without a connection after this time is removed. */
const NEVER_BOUND_MS = 30_000;
/** A connection is ended after this many refused requests without a second free of refusals in between. */
const MAX_REFUSALS = 100;

/** A connection as operators see it. */
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
  /** How long a connection may stay without a token, ms; 0: without limit. */
  readonly unauthenticatedMs: number;
}

export interface SessionsOptions {
  readonly node: string;
  readonly limits: SessionLimits;
  /** Publishes of a subject, over all its connections. */
  readonly publishes: Rate;
  /** Counts requests of an address, over all its connections. @throws HubError `rate_limited` */
  readonly spendRequest: (address: string, count: number) => void | Promise<void>;
  readonly revoked: (principal: Principal) => boolean;
  /** The principal that a token identifies. @throws HubError */
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
  /** Whether it has subscribed or authenticated, so that it may stay. */
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

  /** Connects the session to its subscriber in the hub. */
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
      // A second without refusals clears the count.
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
        // Several connections from one address share its allowance.
        return spendRequest(this.address, count);
      }
      this.#publishes += count;
      this.#check(this.#publishes, limits.publishesPerSecond, 'publishes_per_connection', now);
      return subject === undefined ? undefined : publishes.take(subject, count);
    } catch (error) {
      // A client that keeps being refused ignores `retryAfterMs`.
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
      `at most ${most} per second and connection; retry in ${retryAfterMs} ms`,
      {
        retryAfterMs,
      },
    );
  }
}

/** The sessions of a node. */
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

  /** Number of connections from an address, by its key. */
  from(addressKey: string): number {
    return this.#addresses.of(addressKey);
  }

  /**
   * Opens a session, which counts as a connection until it is closed.
   *
   * @param address the key under which the connection is counted
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

  /** @throws HubError if the token is not accepted or belongs to another subject. */
  async renewed(session: Session, token: string): Promise<Principal> {
    const principal = await this.options.verify(token, session.address);
    const { subject } = session.principal;
    if (subject !== undefined && subject !== principal.subject) {
      throw new HubError('denied', 'token: belongs to another subject than the connection', {
        field: 'token',
      });
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

  /** Ends the connection with this id, if this node has it. */
  cut(id: string): void {
    for (const session of this.#sessions) if (session.subscriber?.id === id) this.end(session, 'cut');
  }

  /** The connection with this id, if this node has it. */
  find(id: string): ConnectionInfo[] {
    for (const session of this.#sessions) if (session.subscriber?.id === id) return [this.#describe(session)];
    return [];
  }

  /** The oldest connections, at most `most`, oldest first. */
  list(most: number): ConnectionInfo[] {
    const list: ConnectionInfo[] = [];
    for (const session of this.#sessions) {
      if (list.length >= most) break;
      if (session.subscriber !== undefined) list.push(this.#describe(session));
    }
    return list;
  }

  /** Ends connections with an expired or revoked token, and those that never authenticated. */
  look(): void {
    const now = Date.now();
    const { unauthenticatedMs } = this.options.limits;
    for (const session of this.#sessions) {
      const { principal, subscriber } = session;
      if (subscriber === undefined) {
        // Its connection was lost while it was being set up.
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
    throw new HubError(
      'too_many_connections',
      `at most ${connectionsPerSubject} connections per subject on a node`,
      {
        retryAfterMs: 1_000,
      },
    );
  }
}
