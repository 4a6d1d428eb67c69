import type { Server } from 'node:http';
import { type Admission, refuseUpgrade } from './admission.js';
import { WEBSOCKET_PATH, type WebSocketTransport } from './websocket/websocket-transport.js';

/** Engine.IO listens for its own paths itself, and takes everything that begins with them. */
const ENGINE_PREFIXES = ['/socket.io/', '/msgpack/'];

/**
 * Sends HTTP upgrades to whom they belong. What belongs to nobody is refused at once: Engine.IO, told to leave foreign
 * upgrades alone, would let them hang.
 */
export function routeUpgrades(
  server: Server,
  { admission, webSocket }: { admission: Admission; webSocket: WebSocketTransport },
): void {
  server.on('upgrade', (request, socket, head) => {
    const path = (request.url ?? '').split('?', 1)[0]!;
    if (ENGINE_PREFIXES.some((prefix) => path.startsWith(prefix))) return;
    if (path !== WEBSOCKET_PATH) return refuseUpgrade(socket, '404 Not Found');
    if (admission.refusal() !== undefined) return refuseUpgrade(socket);
    webSocket.upgrade(request, socket, head);
  });
}
