import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** The TCP connections of a server, and their orderly end: also of those that were upgraded, which HTTP forgets. */
export class HttpConnections {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param isEnding while true, each answer closes its connection, so that a proxy keeps none that is about to go */
  constructor(server: Server, isEnding: () => boolean) {
    this.#server = server;
    const sockets = this.#sockets;
    // One listener for all; and not `once`: a transport takes such off a connection that it has set up.
    function forget(this: Socket): void {
      sockets.delete(this);
    }
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', forget);
    });
    server.prependListener('request', (_request, response) => {
      if (isEnding()) response.setHeader('Connection', 'close');
    });
  }

  /** Takes no more connections, lets requests that are under way finish, and ends after `withinMs` what is left. */
  async close(withinMs: number): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    const force = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, withinMs);
    await closed;
    clearTimeout(force);
  }
}
