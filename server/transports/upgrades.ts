/** Decides which requests are upgrades, and routes them. */
import { IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { HubError } from '../errors.js';
import type { Admission } from './admission.js';
import { WEBSOCKET_PATH, type WebSocketTransport } from './websocket/websocket-transport.js';

/** Engine.IO listens for its own paths itself, and takes every path that begins with them. */
const ENGINE_PREFIXES = ['/socket.io/', '/msgpack/'];

/**
 * The `IncomingMessage` of the hub's HTTP server. Node.js passes every request with an `Upgrade` header to the
 * listeners of `upgrade`; an option to choose exists only from 22.21 and 24.9 on, not in 20. Many clients offer HTTP/2
 * over plain TCP (`Upgrade: h2c`) with each request: an upgrade that the hub does not support is ignored and the
 * request served (RFC 9110, 7.8). Node.js reads from the message whether it is an upgrade, so this class answers that.
 */
export class HubRequest extends IncomingMessage {
  /** Set by the parser for `Upgrade` with `Connection: upgrade`, before the headers can be read. */
  declare private asked: boolean | undefined;
  declare private decided: boolean | undefined;

  /** Whether the request is a WebSocket handshake. Any other request loses its `Upgrade` header, which nothing uses. */
  get upgrade(): boolean {
    if (this.asked !== true) return false;
    this.decided ??= this.#decide();
    return this.decided;
  }

  set upgrade(asked: boolean | null) {
    this.asked = asked ?? undefined;
  }

  #decide(): boolean {
    const { headers } = this;
    const offers = (headers.upgrade ?? '').split(',').map((offer) => offer.trim().toLowerCase());
    const isHandshake =
      offers.includes('websocket') && (isUpgradePath(this.url) || headers['sec-websocket-key'] !== undefined);
    // Only the accepted one of several offers remains: `ws` expects no other.
    if (isHandshake) headers.upgrade = 'websocket';
    else delete headers.upgrade;
    return isHandshake;
  }
}

/**
 * Routes each HTTP upgrade to its transport. A WebSocket handshake on any other path is refused at once: Engine.IO is
 * configured to ignore those, so they would hang.
 *
 * @param server its requests are {@link HubRequest}s
 */
export function routeUpgrades(
  server: Server,
  { webSocket, admission }: { webSocket: WebSocketTransport; admission: Admission },
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = pathOf(request.url);
    if (isEnginePath(path)) return;
    if (path === WEBSOCKET_PATH) webSocket.upgrade(request, socket, head);
    else
      void admission.refuseUnknown(
        request,
        socket,
        new HubError('not_found', `there is no upgrade of ${path.slice(0, 200)}`),
      );
  });
}

function pathOf(url = ''): string {
  return url.split('?', 1)[0]!;
}

function isEnginePath(path: string): boolean {
  return ENGINE_PREFIXES.some((prefix) => path.startsWith(prefix));
}

function isUpgradePath(url: string | undefined): boolean {
  const path = pathOf(url);
  return path === WEBSOCKET_PATH || isEnginePath(path);
}
