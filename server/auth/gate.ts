/**
 * The gate: every request and every connection passes through it. It decides who the caller is, whether the caller's
 * page may connect, and how often the caller may ask.
 *
 * Its promises: a credential is checked before anything else is done for a request; a token is accepted only as the
 * configuration says, and never after it has expired or been revoked; every refusal gives its reason.
 */
import type { IncomingMessage } from 'node:http';
import type { TransportName } from '@axiom-streaming/protocol/transports';
import { HubError } from '../errors.js';
import type { Principal } from '../hub/access.js';
import { Tally } from '../tally.js';
import {
  AddressFinder,
  addressKey,
  allowsOrigin,
  isLoopback,
  isPrivate,
  limitedAddress,
} from './addresses.js';
import { type Bearer, nobody, type ReadAccess } from './claims.js';
import { type ClientConnection, ClientConnections, type ConnectionLimits } from './client-connections.js';
import { END_REASONS, type EndReason } from './connection-ends.js';
import { CostMeter } from './cost-meter.js';
import type { CostName } from './costs.js';
import { type Credentials, Identification, type IdentificationCounters } from './identification.js';
import type { Lifeline } from './lifeline.js';
import { LIMITS, type LimiterStore, type LimitName, Rate } from './limits.js';
import { whyNotLocal } from './local-only.js';
import { RequestCosts } from './request-costs.js';
import type { RevocationRequest } from './revocation-request.js';
import { type Revoked, revoke } from './revoking.js';
import type { IssuedTicket } from './tickets.js';

export interface GateLimits extends ConnectionLimits {
  readonly handshakesPerSecond: number;
  /** Units of `costs.ts` per second; a plain request is one. */
  readonly requestsPerAddress: number;
  readonly requestsPerSubject: number;
  readonly publishesPerSubject: number;
}

export interface GateOptions extends Credentials {
  readonly node: string;
  readonly read: ReadAccess;
  readonly trustedProxies: readonly string[];
  /** Whether they were named, and are not the default. */
  readonly behindProxy: boolean;
  readonly allowedOrigins: readonly string[];
  readonly limits: GateLimits;
  /** How long after its end a token is accepted, ms. */
  readonly leewayMs: number;
  /** The longest that a token that is accepted may still last, ms. */
  readonly maxTokenLifeMs: number;
  /** Where the nodes of a cluster share their counts; undefined for a single node. */
  readonly store: LimiterStore | undefined;
}

/** The gate's counters, for metrics. */
export interface GateCounters extends IdentificationCounters {
  readonly refused: Map<LimitName, number>;
  readonly ended: Map<EndReason, number>;
  /** Units of work, by kind. */
  readonly costs: ReadonlyMap<CostName, number>;
}

export class Gate {
  readonly counters: GateCounters;
  readonly connections: ClientConnections;
  readonly costs: RequestCosts;
  readonly nobody: Principal;
  readonly #options: GateOptions;
  readonly #identification: Identification;
  readonly #addresses: AddressFinder;
  readonly #origins: ReadonlySet<string>;
  readonly #handshakes: Rate;
  readonly #publishes: Rate;
  readonly #sockets = new Tally();

  constructor(options: GateOptions) {
    this.#options = options;
    const { limits, store } = options;
    this.nobody = nobody(options.read, options.development);
    this.#addresses = new AddressFinder(options.trustedProxies);
    this.#origins = new Set(options.allowedOrigins);
    const onRefused = (limit: LimitName) => this.refused(limit);
    this.#handshakes = new Rate({
      name: 'handshakes',
      perSecond: limits.handshakesPerSecond,
      store,
      holds: true,
      onRefused,
    });
    const costs = new CostMeter({
      perAddress: limits.requestsPerAddress,
      perSubject: limits.requestsPerSubject,
      onRefused,
    });
    this.costs = new RequestCosts(costs, (request) => this.countedAddress(request));
    this.#publishes = new Rate({
      name: 'publishes_per_subject',
      perSecond: limits.publishesPerSubject,
      store,
      onRefused,
    });
    this.#identification = new Identification(options, {
      nobody: this.nobody,
      guessed: (address) => this.#handshakes.take(address, 1),
    });
    this.counters = {
      ...this.#identification.counters,
      refused: new Map(LIMITS.map((limit) => [limit, 0])),
      ended: new Map(END_REASONS.map((reason) => [reason, 0])),
      costs: costs.units,
    };
    this.connections = new ClientConnections({
      node: options.node,
      // If anything is public, a connection without a token may stay.
      limits: { ...limits, unauthenticatedMs: readsAnything(options) ? 0 : limits.unauthenticatedMs },
      leewayMs: options.leewayMs,
      publishes: this.#publishes,
      costs,
      current: (principal) => this.#identification.current(principal),
      banned: (subject, address) => options.revocations.bannedForMs(subject, address) > 0,
      verify: (token, address) => this.identify(token, address),
      onEnd: (reason) => this.counters.ended.set(reason, (this.counters.ended.get(reason) ?? 0) + 1),
      onRefused,
    });
  }

  /** The client's address, behind trusted proxies. */
  address(request: IncomingMessage): string {
    return this.#addresses.of(request);
  }

  /** Whether the address is that of a trusted proxy. */
  trusts(address: string): boolean {
    return this.#addresses.trusts(address);
  }

  /** The token in the `Authorization` header. @throws HubError `token_invalid` if the header has another form. */
  bearer({ headers: { authorization } }: IncomingMessage): string | undefined {
    if (authorization === undefined || authorization === '') return undefined;
    const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
    if (token !== undefined) return token;
    throw new HubError('token_invalid', 'Authorization: must be "Bearer" and a token', {
      field: 'Authorization',
    });
  }

  /** The token in the cookie `axiom_token`. Only event streams accept it: pages of other origins cannot read those. */
  cookie({ headers: { cookie } }: IncomingMessage): string | undefined {
    return cookie === undefined ? undefined : COOKIE.exec(cookie)?.[1];
  }

  /** Whether the request's client is in a private network, and not merely the proxy that forwarded it. */
  isPrivate(request: IncomingMessage): boolean {
    return isPrivate(this.address(request));
  }

  /** Whether pages of the request's origin may read responses. */
  allowsOrigin(request: IncomingMessage): boolean {
    return allowsOrigin(request.headers, this.#addresses.schemeOf(request), this.#origins);
  }

  /**
   * Whether pages of the request's origin may send cookies along: only where the list names the origin; `*` does not.
   */
  allowsCredentials({ headers: { origin } }: Pick<IncomingMessage, 'headers'>): boolean {
    return origin !== undefined && this.#origins.has(origin);
  }

  /**
   * Checks that hold for every caller: in development mode, only this machine is served, and no proxy or tunnel on it
   * for others. The host name in the request is checked too, since a page could otherwise reach the hub through a domain
   * of its own that resolves to this machine.
   *
   * @throws HubError `denied`.
   */
  checkLocal(request: IncomingMessage): void {
    const { development, behindProxy } = this.#options;
    if (!development) return;
    const why = whyNotLocal(request, this.address(request), behindProxy);
    if (why === undefined) return;
    throw new HubError(
      'denied',
      `no secret is configured, so only this machine is served, and ${why}; set JWT_SECRET, JWT_PUBLIC_KEY, JWKS_URL or API_KEYS_FILE`,
    );
  }

  /** Checks that the page may connect at all. @throws HubError `origin_denied`, and as {@link checkLocal}. */
  checkPage(request: IncomingMessage): void {
    this.checkLocal(request);
    if (this.allowsOrigin(request)) return;
    throw new HubError(
      'origin_denied',
      'pages of this origin may not connect; ALLOWED_ORIGINS lists the origins that may',
    );
  }

  /**
   * Admits or refuses a new connection by its origin and its address.
   *
   * @returns the key under which its address is counted
   * @throws HubError `origin_denied`, `rate_limited`, `too_many_connections`
   */
  async admit(request: IncomingMessage): Promise<string> {
    this.checkPage(request);
    const key = this.countedAddress(request);
    if (limitedAddress(key) === undefined) return key;
    const { connectionsPerAddress } = this.#options.limits;
    if (this.connections.from(key) >= connectionsPerAddress) {
      this.refused('connections_per_address');
      throw new HubError('too_many_connections', `at most ${connectionsPerAddress} connections per address`, {
        retryAfterMs: 1_000,
      });
    }
    await this.#handshakes.take(key, 1);
    return key;
  }

  /** The key under which the request's address is counted. */
  countedAddress(request: IncomingMessage): string {
    return addressKey(this.address(request));
  }

  /** Counts messages that are published without a connection. @throws HubError `rate_limited`. */
  spendPublishes({ subject }: Principal, count: number): void | Promise<void> {
    return subject === undefined ? undefined : this.#publishes.take(subject, count);
  }

  /** As {@link Identification.identify}. */
  identify(credential: string, address: string): Bearer | Promise<Bearer>;
  identify(credential: string | undefined, address: string): Principal | Promise<Principal>;
  identify(credential: string | undefined, address: string): Principal | Promise<Principal> {
    return this.#identification.identify(credential, address);
  }

  /** As {@link Identification.redeem}. */
  redeem(ticket: string, address: string): Promise<Principal> {
    return this.#identification.redeem(ticket, address);
  }

  /** As {@link Identification.issueTicket}. */
  issueTicket(principal: Principal): Promise<IssuedTicket> {
    return this.#identification.issueTicket(principal);
  }

  /** As {@link revoke}. */
  revoke(request: RevocationRequest): Promise<Revoked> {
    return revoke(request, this.#options);
  }

  /** Keeps a subject or an address away for a time. As {@link Revocations.ban}. */
  ban(who: 'sub' | 'address', value: string, forMs: number): Promise<number> {
    if (who === 'sub' || !isLoopback(value)) return this.#options.revocations.ban(who, value, forMs);
    throw new HubError(
      'bad_request',
      'connection: it has no subject, and its address is that of this machine, or of a proxy that does not say for whom it asks',
      { field: 'connection' },
    );
  }

  /** Opens an admitted and identified connection. As {@link ClientConnections.open}. */
  open(
    principal: Principal,
    address: string,
    transport: TransportName,
    lifeline: Lifeline,
  ): ClientConnection {
    return this.connections.open(principal, address, transport, lifeline);
  }

  /** Whether another TCP connection from an address is allowed; if so, {@link socketClosed} must be called later. */
  socketOpened(address: string): boolean {
    const key = addressKey(address);
    const most = this.#options.limits.connectionsPerAddress * 2;
    if (this.#sockets.of(key) >= most) {
      this.refused('sockets_per_address');
      return false;
    }
    this.#sockets.add(key);
    return true;
  }

  socketClosed(address: string): void {
    this.#sockets.remove(addressKey(address));
  }

  /** Counts a refusal, for metrics. */
  refused(limit: LimitName): void {
    this.counters.refused.set(limit, (this.counters.refused.get(limit) ?? 0) + 1);
  }
}

/** Whether there is anything that nobody in particular may read. */
function readsAnything({ development, read }: Pick<GateOptions, 'development' | 'read'>): boolean {
  return development || [...read.values()].includes('public');
}

const COOKIE = /(?:^|;\s*)axiom_token=([^;]+)/;
