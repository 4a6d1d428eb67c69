import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Tracks the TCP connections of a server and closes them in order, including upgraded ones, which HTTP forgets. */
export class HttpConnections {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param isEnding while true, each answer closes its connection, so that a proxy does not keep it for reuse */
  constructor(server: Server, isEnding: () => boolean) {
    this.#server = server;
    const sockets = this.#sockets;
    // One listener for all; not `once`, because a transport removes `once` listeners from the connections it sets up.
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

  /** Accepts no more connections, lets running requests finish, and cuts the rest after `withinMs`. */
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
