/**
 * The client connections of a node: the principal of each, when its token expires, and where it came from.
 *
 * One timer checks all of them. A timer per connection was rejected: most tokens are renewed long before they expire.
 */

import type { TransportName } from '@axiom-streaming/protocol/transports';
import { HubError } from '../errors.js';
import type { Access, NamedPrincipal, Principal, Work } from '../hub/access.js';
import type { Subscriber } from '../hub/delivery/subscriber.js';
import { Tally } from '../tally.js';
import { accountsOf } from './addresses.js';
import { ConnectionCosts } from './connection-costs.js';
import { CLOSE_OF, type EndReason } from './connection-ends.js';
import { type ConnectionInfo, describe } from './connection-info.js';
import type { CostMeter } from './cost-meter.js';
import { ExpiryNotice } from './expiry-notice.js';
import type { Lifeline } from './lifeline.js';
import type { LimitName, Rate } from './limits.js';

const LOOK_EVERY_MS = 250;
/** How long the subscriptions of a connection are checked once its key allows something else: some may be under way. */
const CHECK_CHANGED_MS = 60_000;
/** A connection is ended above this many refused requests without a second free of refusals in between. */
const MAX_REFUSALS = 100;

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
  /** The principal as it is now; undefined if it was revoked. */
  readonly current: (principal: Principal) => Principal | undefined;
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
  readonly expiry = new ExpiryNotice();
  /** While its subscriptions have to be checked, ms since the Unix epoch. */
  checkedUntil = 0;
  /** Set while it is being set up. */
  #letGo: (() => void) | undefined;
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

  /** Closes it with what it is set up on, until {@link bind}. */
  hangOn(lifeline: Lifeline): void {
    this.#letGo = lifeline.onGone(() => this.close());
  }

  /** Says which subscriber in the hub is the connection's. It must be closed by whoever calls this from then on. */
  bind(subscriber: Subscriber): void {
    this.#letGo?.();
    this.#letGo = undefined;
    this.subscriber = subscriber;
  }

  /** Whom it counts for where something is bounded by address and by subject. */
  get accounts(): readonly string[] {
    return accountsOf(this.address, this.principal.subject);
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

  pace(everything?: boolean): void | Promise<void> {
    return this.#costs.pace(everything);
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
   * Opens a connection, which counts towards the limits until it is closed, or its client leaves during the set-up.
   *
   * @param address the key under which the connection is counted
   * @throws HubError `too_many_connections`
   */
  open(
    principal: Principal,
    address: string,
    transport: TransportName,
    lifeline: Lifeline,
  ): ClientConnection {
    const connection = new ClientConnection(this, principal, address, transport);
    if (lifeline.gone) return connection;
    this.#checkSubject(principal);
    connection.hangOn(lifeline);
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
      if (connection.subscriber?.id === id) return [describe(connection, this.options.node)];
    return [];
  }

  /** The oldest connections, at most `most`, oldest first. */
  list(most: number): ConnectionInfo[] {
    const list: ConnectionInfo[] = [];
    for (const connection of this.#connections) {
      if (list.length >= most) break;
      if (connection.subscriber !== undefined) list.push(describe(connection, this.options.node));
    }
    return list;
  }

  /**
   * Ends connections of banned clients, connections whose token expired or was revoked, and connections that sent no
   * token and may read nothing. Gives the others what their keys allow now.
   */
  look(): void {
    const now = Date.now();
    const { limits, leewayMs } = this.options;
    const { unauthenticatedMs } = limits;
    for (const connection of this.#connections) {
      const { principal, subscriber } = connection;
      if (subscriber === undefined) continue;
      const { expiresAt, subject } = principal;
      if (this.options.banned(subject, connection.address)) {
        this.end(connection, 'banned');
      } else if (subject === undefined) {
        if (unauthenticatedMs > 0 && now - connection.connectedAt > unauthenticatedMs)
          this.end(connection, 'unauthenticated');
      } else if (expiresAt !== undefined && expiresAt + leewayMs <= now) {
        this.end(connection, 'expired');
      } else {
        this.#followKey(connection, subscriber, now);
        if (subscriber.ended || expiresAt === undefined || !connection.expiry.isDue(expiresAt, now)) continue;
        subscriber.expiring({ expiresInMs: Math.max(0, expiresAt - now) });
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Ends a connection whose token or key is no longer accepted, or that reads more than its key allows now. */
  #followKey(connection: ClientConnection, subscriber: Subscriber, now: number): void {
    const { principal } = connection;
    const current = this.options.current(principal);
    if (current === undefined) {
      this.end(connection, 'revoked');
      return;
    }
    if (current !== principal) {
      // Counted under another name, it is another client.
      if (current.subject !== principal.subject) {
        this.end(connection, 'changed');
        return;
      }
      connection.principal = current;
      connection.checkedUntil = now + CHECK_CHANGED_MS;
    }
    if (connection.checkedUntil > now && readsMore(subscriber, current)) this.end(connection, 'changed');
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

/** Whether a subscriber reads what a principal may not. */
function readsMore({ readers }: Subscriber, principal: Principal): boolean {
  for (const { tail, keys } of readers.values()) {
    for (const key of keys) if (!principal.mayRead({ stream: tail.stream, key })) return true;
  }
  return false;
}
