/** Socket.IO. Its package is loaded on demand, so a page that never uses it does not load it. */
import { HubError } from './hub-error.js';
import type { Link, LinkOptions } from './link.js';
import { asFrame, isEvent, readAck, readError } from './wire.js';

export async function openSocketIo({ url, token, listener }: LinkOptions): Promise<Link> {
  let io: typeof import('socket.io-client').io;
  try {
    // In a `try`, so that webpack and esbuild bundle a page without the package, which is an optional peer.
    ({ io } = await import('socket.io-client'));
  } catch (error) {
    // biome-ignore lint/complexity/noUselessCatch: bundlers want the `try`.
    throw error;
  }
  // The client itself keeps cursors for all transports, so each connection is a new session.
  const { origin, pathname } = new URL(`${url}/`);
  const socket = io(origin, {
    path: `${pathname}socket.io/`,
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    reconnection: false,
    forceNew: true,
    ...(token === undefined ? {} : { auth: { token } }),
  });
  socket
    .on('connect_error', (error: Error & { readonly data?: unknown }) => {
      listener.closed(readError(error.data, 'unreachable', `${url}: ${error.message}`));
    })
    .on('disconnect', (reason) => listener.closed(reason))
    .onAny((op: string, first: unknown, cursor: unknown) => {
      const frame = asFrame(op, first, cursor);
      if (isEvent(frame)) listener.event(frame);
    });
  return {
    get via() {
      return socket.io.engine?.transport?.name;
    },
    request: (operation, body, done) => {
      // It also times out if the connection is lost first.
      socket.timeout(10_000).emit(operation, body, (error: unknown, ack: unknown) => {
        done(readAck(error === null ? ack : { error: new HubError('timeout', 'no answer') }, operation));
      });
    },
    close: () => {
      socket.offAny().off().disconnect();
    },
  };
}
