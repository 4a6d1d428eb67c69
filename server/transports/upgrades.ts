import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { HubError } from '../errors.js';
import type { Admission } from './admission.js';
import { WEBSOCKET_PATH, type WebSocketTransport } from './websocket/websocket-transport.js';

/** Engine.IO listens for its own paths itself, and takes every path that begins with them. */
const ENGINE_PREFIXES = ['/socket.io/', '/msgpack/'];

/**
 * Routes each HTTP upgrade to its transport. An upgrade of any other path is refused at once: Engine.IO is configured to
 * ignore those, so they would hang.
 */
export function routeUpgrades(
  server: Server,
  { webSocket, admission }: { webSocket: WebSocketTransport; admission: Admission },
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = (request.url ?? '').split('?', 1)[0]!;
    if (ENGINE_PREFIXES.some((prefix) => path.startsWith(prefix))) return;
    if (path === WEBSOCKET_PATH) webSocket.upgrade(request, socket, head);
    else
      admission.refuseUpgrade(
        socket,
        new HubError('not_found', `there is no upgrade of ${path.slice(0, 200)}`),
      );
  });
}
