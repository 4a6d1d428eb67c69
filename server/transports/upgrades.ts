import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { HubError } from '../errors.js';
import type { Hub } from '../hub/hub.js';
import { refusalOf, refuseUpgrade } from './refusal.js';
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
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = (request.url ?? '').split('?', 1)[0]!;
    if (ENGINE_PREFIXES.some((prefix) => path.startsWith(prefix))) return;
    const refusal =
      path !== WEBSOCKET_PATH
        ? new HubError('not_found', `there is no upgrade of ${path.slice(0, 200)}`)
        : hub.draining
          ? new HubError('overloaded', 'the node is being restarted')
          : undefined;
    if (refusal !== undefined) refuseUpgrade(socket, refusalOf(refusal));
    else webSocket.upgrade(request, socket, head);
  });
}
