/** The client address of a request, and whether its origin is allowed. */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv4, isIPv6 } from 'node:net';
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

  of(request: IncomingMessage): string {
    const { headers, socket } = request;
    const found =
      headers['x-forwarded-for'] === undefined ? socket.remoteAddress : proxyAddr(request, this.#trust);
    return plain(found ?? '');
  }

  /** Whether the address is that of a trusted proxy. */
  trusts(address: string): boolean {
    return this.#trust(plain(address), 0);
  }
}

/** On a dual-stack socket, IPv4 addresses have the form `::ffff:…`. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
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

/** Whether pages of the request's origin may use the hub: its own origin, and those in the list. */
export function allowsOrigin(
  request: { readonly headers: IncomingMessage['headers'] },
  allowed: ReadonlySet<string>,
): boolean {
  const { origin, host } = request.headers;
  // Only browsers send an Origin, and pages cannot omit it.
  if (origin === undefined || allowed.has('*') || allowed.has(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
