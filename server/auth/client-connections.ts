/**
 * The client connections of a node: the principal of each, when its token expires, and where it came from.
 *
 * One timer checks all of them. A timer per connection was rejected: most tokens are renewed long before they expire.
 */

import { CLOSE, type CloseCode } from '@axiom-streaming/protocol/close-codes';
import type { TransportName } from '@axiom-streaming/protocol/transports';
import { HubError } from '../errors.js';
import type { Access, NamedPrincipal, Principal, Work } from '../hub/access.js';
import type { Subscriber } from '../hub/delivery/subscriber.js';
import { ConnectionCosts } from './connection-costs.js';
import type { CostMeter } from './cost-meter.js';
import { type LimitName, type Rate, Tally } from './limits.js';

/** Why the hub ended a connection for reasons of access. */
export const END_REASONS = ['expired', 'revoked', 'unauthenticated', 'cut', 'banned', 'too_many'] as const;
export type EndReason = (typeof END_REASONS)[number];

/** What a connection is closed with. */
const CLOSE_OF: Readonly<Record<EndReason, CloseCode>> = {
  expired: CLOSE.token,
  revoked: CLOSE.token,
  unauthenticated: CLOSE.token,
  cut: CLOSE.denied,
  banned: CLOSE.denied,
  too_many: CLOSE.tooMany,
};

/** How long before its token expires a connection is warned, ms. */
const EXPIRES_SOON_MS = 60_000;
const LOOK_EVERY_MS = 250;
/** A connection that has no subscriber in the hub after this time was lost during its set-up and is removed. */
const NEVER_BOUND_MS = 30_000;
/** A connection is ended above this many refused requests without a second free of refusals in between. */
const MAX_REFUSALS = 100;

/** A connection as operators see it. */
export interface ConnectionInfo {
  readonly id: string;
  readonly node: string;
  readonly transport: TransportName;
  readonly address: string;
  readonly subject: string | null;
  readonly connectedAt: number;
  readonly expiresAt: number | null;
  readonly topics: number;
}

export interface ConnectionLimits {
  readonly connectionsPerAddress: number;
  readonly connectionsPerSubject: number;
  readonly requestsPerSecond: number;
  readonly publishesPerSecond: number;
  /** How long a connection may stay that has no token and may read nothing, ms; 0: without limit. */
  readonly unauthenticatedMs: number;
}

export interface ClientConnectionsOptions {
  readonly node: string;
  readonly limits: ConnectionLimits;
  /** How long after its end a token is accepted, ms. */
  readonly leewayMs: number;
  /** Publishes of a subject, over all its connections. */
  readonly publishes: Rate;
  /** What addresses and subjects pay, over all their connections. */
  readonly costs: Pick<CostMeter, 'take' | 'charge' | 'check' | 'waitMs'>;
  readonly revoked: (principal: Principal) => boolean;
  /** Whether a subject or an address is kept away. */
  readonly banned: (subject: string | undefined, address: string) => boolean;
  /** The principal that a token identifies. @throws HubError */
  readonly verify: (token: string, address: string) => Promise<NamedPrincipal> | NamedPrincipal;
  readonly onEnd: (reason: EndReason) => void;
  readonly onRefused: (limit: LimitName) => void;
}

/** One connection: what its client may do now, and its share of the limits. */
export class ClientConnection implements Access {
  principal: Principal;
  readonly address: string;
  readonly transport: TransportName;
  readonly connectedAt = Date.now();
  subscriber: Subscriber | undefined;
  warned = false;
  #second = 0;
  #requests = 0;
  #publishes = 0;
  #refusals = 0;
  /** The second in which the newest refusal was sent. */
  #refusedIn = 0;
  readonly #costs: ConnectionCosts;
  readonly #connections: ClientConnections;

  constructor(
    connections: ClientConnections,
    principal: Principal,
    address: string,
    transport: TransportName,
  ) {
    this.#connections = connections;
    this.principal = principal;
    this.address = address;
    this.transport = transport;
    this.#costs = new ConnectionCosts(connections.options.costs, this);
  }

  /** Says which subscriber in the hub is the connection's. */
  bind(subscriber: Subscriber): void {
    this.subscriber = subscriber;
  }

  /** The connection is gone. */
  close(): void {
    this.#connections.close(this);
  }

  async renew(token: string): Promise<NamedPrincipal> {
    const { options } = this.#connections;
    const principal = await options.verify(token, this.address);
    // In one turn: two renewals at once must not both see whose the connection was before.
    this.#connections.admitRenewal(this, principal);
    this.principal = principal;
    this.warned = false;
    return principal;
  }

  spend(what: 'request' | 'publish', count: number): void | Promise<void> {
    try {
      // A shared count that has to be asked refuses later than this connection's own.
      return this.#spend(what, count)?.catch((error: unknown) => this.#refuse(error));
    } catch (error) {
      return this.#refuse(error);
    }
  }

  charge(work: Work, amount: number): void {
    this.#costs.charge(work, amount);
  }

  check(): void {
    this.#costs.check();
  }

  pace(): void | Promise<void> {
    return this.#costs.pace();
  }

  #spend(what: 'request' | 'publish', count: number): void | Promise<void> {
    const now = performance.now();
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#requests = 0;
      this.#publishes = 0;
    }
    const { limits, publishes } = this.#connections.options;
    const { subject } = this.principal;
    if (what === 'request') {
      this.#requests += count;
      this.#checkRate(this.#requests, limits.requestsPerSecond, 'requests_per_connection', now);
      return this.#costs.takeRequests(count);
    }
    this.#publishes += count;
    this.#checkRate(this.#publishes, limits.publishesPerSecond, 'publishes_per_connection', now);
    const held = this.#costs.takeRefusedPublishes();
    if (held !== undefined) return held;
    return subject === undefined ? undefined : publishes.take(subject, count);
  }

  /** Counts a refusal, whichever limit it comes from. A client that keeps being refused ignores `retryAfterMs`. */
  #refuse(error: unknown): never {
    if (error instanceof HubError && error.code === 'rate_limited') {
      const second = Math.floor(performance.now() / 1000);
      if (second - this.#refusedIn > 1) this.#refusals = 0;
      this.#refusedIn = second;
      this.#refusals += 1;
      if (this.#refusals > MAX_REFUSALS) this.#connections.end(this, 'too_many');
    }
    throw error;
  }

  #checkRate(used: number, most: number, limit: LimitName, now: number): void {
    if (used <= most) {
      return;
    }
    this.#connections.options.onRefused(limit);
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

/** All client connections of a node. */
export class ClientConnections {
  readonly options: ClientConnectionsOptions;
  readonly #connections = new Set<ClientConnection>();
  readonly #addresses = new Tally();
  readonly #subjects = new Tally();
  readonly #timer: NodeJS.Timeout;

  constructor(options: ClientConnectionsOptions) {
    this.options = options;
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Number of connections from an address, by its key. */
  from(addressKey: string): number {
    return this.#addresses.of(addressKey);
  }

  /**
   * Opens a connection, which counts towards the limits until it is closed.
   *
   * @param address the key under which the connection is counted
   * @throws HubError `too_many_connections`
   */
  open(principal: Principal, address: string, transport: TransportName): ClientConnection {
    this.#checkSubject(principal);
    const connection = new ClientConnection(this, principal, address, transport);
    this.#connections.add(connection);
    this.#addresses.add(address);
    if (principal.subject !== undefined) this.#subjects.add(principal.subject);
    return connection;
  }

  close(connection: ClientConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.#addresses.remove(connection.address);
    if (connection.principal.subject !== undefined) this.#subjects.remove(connection.principal.subject);
  }

  /** Counts a connection that is given another token. @throws HubError if that belongs to another subject. */
  admitRenewal(connection: ClientConnection, principal: NamedPrincipal): void {
    const { subject } = connection.principal;
    if (subject !== undefined && subject !== principal.subject) {
      throw new HubError('denied', 'token: belongs to another subject than the connection', {
        field: 'token',
      });
    }
    if (subject === undefined) {
      this.#checkSubject(principal);
      if (this.#connections.has(connection)) this.#subjects.add(principal.subject);
    }
  }

  /** Ends a connection. */
  end(connection: ClientConnection, reason: EndReason): void {
    const { subscriber } = connection;
    if (subscriber === undefined || subscriber.ended) return;
    this.options.onEnd(reason);
    subscriber.close(CLOSE_OF[reason]);
  }

  /** Ends the connection with this id, if this node has it. */
  cut(id: string): void {
    for (const connection of this.#connections)
      if (connection.subscriber?.id === id) this.end(connection, 'cut');
  }

  /** The connection with this id, if this node has it. */
  find(id: string): ConnectionInfo[] {
    for (const connection of this.#connections)
      if (connection.subscriber?.id === id) return [this.#describe(connection)];
    return [];
  }

  /** The oldest connections, at most `most`, oldest first. */
  list(most: number): ConnectionInfo[] {
    const list: ConnectionInfo[] = [];
    for (const connection of this.#connections) {
      if (list.length >= most) break;
      if (connection.subscriber !== undefined) list.push(this.#describe(connection));
    }
    return list;
  }

  /**
   * Ends connections of banned clients, connections whose token expired or was revoked, and connections that sent no
   * token and may read nothing.
   */
  look(): void {
    const now = Date.now();
    const { limits, leewayMs } = this.options;
    const { unauthenticatedMs } = limits;
    for (const connection of this.#connections) {
      const { principal, subscriber } = connection;
      if (subscriber === undefined) {
        // Its connection was lost while it was being set up.
        if (now - connection.connectedAt > NEVER_BOUND_MS) this.close(connection);
        continue;
      }
      const { expiresAt, subject } = principal;
      if (this.options.banned(subject, connection.address)) {
        this.end(connection, 'banned');
      } else if (subject === undefined) {
        if (unauthenticatedMs > 0 && now - connection.connectedAt > unauthenticatedMs)
          this.end(connection, 'unauthenticated');
      } else if (expiresAt !== undefined && expiresAt + leewayMs <= now) {
        this.end(connection, 'expired');
      } else if (this.options.revoked(principal)) {
        this.end(connection, 'revoked');
      } else if (expiresAt !== undefined && !connection.warned && expiresAt - now <= EXPIRES_SOON_MS) {
        connection.warned = true;
        subscriber.expiring({ expiresInMs: Math.max(0, expiresAt - now) });
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #describe({ subscriber, principal, address, transport, connectedAt }: ClientConnection): ConnectionInfo {
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
