import type { Server } from 'node:http';
import type { Gate } from '../auth/gate.js';

/**
 * Limits the TCP connections of an address before any byte is read: no other limit holds for connections that never
 * finish a request. Trusted proxies are exempt and limit their clients themselves.
 */
export function limitSockets(server: Server, gate: Gate): void {
  server.on('connection', (socket) => {
    const address = socket.remoteAddress ?? '';
    if (gate.trusts(address)) return;
    if (!gate.socketOpened(address)) {
      socket.destroy();
      return;
    }
    socket.once('close', () => gate.socketClosed(address));
  });
}
