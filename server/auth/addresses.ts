/** The client address of a request, and whether its origin is allowed. */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net';
import proxyAddr from 'proxy-addr';

/** Private networks: loopback, RFC 1918, link-local, RFC 4193. */
const PRIVATE = new BlockList();
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
PRIVATE.addSubnet('127.0.0.0', 8, 'ipv4');
PRIVATE.addSubnet('10.0.0.0', 8, 'ipv4');
PRIVATE.addSubnet('172.16.0.0', 12, 'ipv4');
PRIVATE.addSubnet('192.168.0.0', 16, 'ipv4');
PRIVATE.addSubnet('169.254.0.0', 16, 'ipv4');
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addSubnet('fe80::', 10, 'ipv6');

function isIn(list: BlockList, address: string): boolean {
  if (isIPv4(address)) return list.check(address, 'ipv4');
  return isIPv6(address) && list.check(address, 'ipv6');
}

/** Whether this is a loopback address, i.e. this machine's. */
export function isLoopback(address: string): boolean {
  return isIn(LOOPBACK, address);
}

/** Whether this is an address of a private network, not one of the public internet. */
export function isPrivate(address: string): boolean {
  return isIn(PRIVATE, address);
}

/** Finds clients' addresses behind proxies whose X-Forwarded-For is trusted. */
export class AddressFinder {
  readonly #trust: (address: string, hop: number) => boolean;

  /** @param trustedProxies addresses, networks, or names that `proxy-addr` knows */
  constructor(trustedProxies: readonly string[]) {
    this.#trust = proxyAddr.compile([...trustedProxies]);
  }

  /**
   * The client's address in its one form; {@link UNKNOWN_ADDRESS} where a trusted proxy names none that can be read.
   */
  of({ headers, socket }: IncomingMessage): string {
    const forwarded = headers['x-forwarded-for'];
    const from = canonicalAddress(socket.remoteAddress ?? '') ?? '';
    if (forwarded === undefined) return from;
    const hops = String(forwarded)
      .split(',')
      .map((hop) => hop.trim())
      .filter((hop) => hop !== '')
      .map((hop) => canonicalAddress(hop) ?? UNKNOWN_ADDRESS);
    const addressed = { headers: { 'x-forwarded-for': hops.join(', ') }, socket: { remoteAddress: from } };
    return proxyAddr(addressed as unknown as IncomingMessage, this.#trust);
  }

  /** Whether the address is that of a trusted proxy. */
  trusts(address: string): boolean {
    return this.#trust(canonicalAddress(address) ?? '', 0);
  }

  /**
   * The scheme under which the hub was asked. `X-Forwarded-Proto` is believed from anybody: the check protects
   * browsers, and no page can set that header. Undefined: there is a proxy, and it does not say.
   */
  schemeOf({ headers, socket }: IncomingMessage): string | undefined {
    const [forwarded = ''] = String(headers['x-forwarded-proto'] ?? '').split(',');
    if (forwarded.trim() !== '') return forwarded.trim().toLowerCase();
    const isProxied = headers['x-forwarded-for'] !== undefined || this.trusts(socket.remoteAddress ?? '');
    return isProxied ? undefined : 'http';
  }
}

/** Shared key of all clients whose proxy sent no readable address. */
const UNKNOWN_ADDRESS = 'unknown';

/**
 * An address in the one form in which it is compared and counted, from any in which proxies write it: with a port, in
 * brackets, with a zone, in upper case, as IPv4 in IPv6 (which dual-stack sockets say). Undefined where it is none.
 */
export function canonicalAddress(text: string): string | undefined {
  const [, bracketed, v4] = /^(?:\[([^\]]*)\](?::\d*)?|(\d+\.\d+\.\d+\.\d+):\d*)$/.exec(text) ?? [];
  const address = (bracketed ?? v4 ?? text).replace(/%.*$/, '');
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return undefined;
  return new SocketAddress({ address, family: 'ipv6' }).address.replace(/^::ffff:(?=\d+\.)/, '');
}

/**
 * The key under which an address is counted. For IPv6 it is the /64 network, since one client can use all of it.
 */
export function addressKey(address: string): string {
  if (!isIPv6(address) || isLoopback(address)) return address;
  const [head = '', tail] = address.split('::', 2);
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + rest.length < 8) groups.push('0');
  return [...groups, ...rest].slice(0, 4).join(':');
}

/**
 * Whether a host name, as in a `Host` header or a URL, names this machine. DNS rebinding cannot produce these names.
 */
export function isLocalHost(host: string): boolean {
  const name = host
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || isLoopback(name);
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };

/**
 * Whether pages of the request's origin may use the hub: its own origin, and those in the list.
 *
 * @param scheme under which the hub was asked; undefined: not known, so it is not compared
 */
export function allowsOrigin(
  { origin, host = '' }: IncomingMessage['headers'],
  scheme: string | undefined,
  allowed: ReadonlySet<string>,
): boolean {
  // Only browsers send an Origin, and pages cannot omit it.
  if (origin === undefined || allowed.has('*') || allowed.has(origin)) return true;
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname, port } = new URL(origin);
  const from = protocol.slice(0, -1);
  if (scheme !== undefined && scheme !== from) return false;
  const [, name = '', asked] = /^(.*?)(?::(\d+))?$/.exec(host.toLowerCase()) ?? [];
  // A browser leaves out the port of its scheme; a client or a proxy may name it.
  const portOf = (named: string | undefined) => named || DEFAULT_PORTS[from];
  return name === hostname && portOf(asked) === portOf(port);
}

/**
 * The address that limits apply to. Undefined for this machine's: a local proxy that does not forward client addresses
 * would be counted as one client.
 */
export function limitedAddress(address: string): string | undefined {
  return isLoopback(address) ? undefined : address;
}

/** Whom something counts for that is bounded by address and by subject. */
export function accountsOf(address: string, subject: string | undefined): string[] {
  const limited = limitedAddress(address);
  return [
    ...(limited === undefined ? [] : [`address ${limited}`]),
    ...(subject === undefined ? [] : [`subject ${subject}`]),
  ];
}
