/**
 * Whether a request comes from this machine itself: in development mode nobody else is served. A proxy or a tunnel on
 * this machine asks from here for whoever is at its other end, so what shows one is refused, unless the configuration
 * names a proxy; then it must say that its client is here, too.
 */
import type { IncomingMessage } from 'node:http';
import { canonicalAddress, isLocalHost, isLoopback } from './addresses.js';

/** No proxy that serves this machine alone sends these: they name proxies, and are passed on by all that follow. */
const FOREIGN = ['via', 'forwarded'];
const FORWARDED = /^x-(forwarded-|real-ip$)/;

/**
 * @param address the client's, as far as proxies are trusted
 * @param behindProxy whether `TRUST_PROXY` names a proxy
 * @returns why it is not from here; undefined if it is
 */
export function whyNotLocal(
  { headers }: Pick<IncomingMessage, 'headers'>,
  address: string,
  behindProxy: boolean,
): string | undefined {
  if (!isLoopback(address)) return 'the client is on another machine';
  if (!isLocalHost(headers.host ?? '')) return 'the host in its address is not a name of this machine';
  const foreign = FOREIGN.find((name) => headers[name] !== undefined);
  if (foreign !== undefined) return `it came through a proxy, as its header ${foreign} says`;
  const forwarded = Object.keys(headers).filter((name) => FORWARDED.test(name));
  if (!behindProxy) {
    return (
      forwarded[0] && `it came through a proxy, as its header ${forwarded[0]} says; TRUST_PROXY names none`
    );
  }
  const away = forwarded.find(
    (name) =>
      !String(headers[name])
        .split(',')
        .every((part) => isHere(name, part.trim())),
  );
  return away && `a proxy asks for a client that is not on this machine, as its header ${away} says`;
}

function isHere(header: string, value: string): boolean {
  switch (header) {
    case 'x-forwarded-for':
    case 'x-real-ip':
      return isLoopback(canonicalAddress(value) ?? '');
    case 'x-forwarded-host':
      return isLocalHost(value);
    default:
      return true;
  }
}
