import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Hub } from '../hub/hub.js';
import { WEBSOCKET_PATH, type WebSocketTransport } from './websocket/websocket-transport.js';

/** Engine.IO listens for its own paths itself, and takes everything that begins with them. */
const ENGINE_PREFIXES = ['/socket.io/', '/msgpack/'];

/**
 * Sends HTTP upgrades to whom they belong. What belongs to nobody is refused at once: Engine.IO, told to leave foreign
 * upgrades alone, would let them hang.
 */
export function routeUpgrades(
  server: Server,
  { hub, webSocket }: { hub: Hub; webSocket: WebSocketTransport },
): void {
  server.on('upgrade', (request, socket, head) => {
    const path = (request.url ?? '').split('?', 1)[0]!;
    if (ENGINE_PREFIXES.some((prefix) => path.startsWith(prefix))) return;
    if (path !== WEBSOCKET_PATH) return refuse(socket, '404 Not Found', '');
    if (hub.draining) return refuse(socket, '503 Service Unavailable', 'Retry-After: 1\r\n');
    webSocket.upgrade(request, socket, head);
  });
}

function refuse(socket: Duplex, status: string, headers: string): void {
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`);
}
