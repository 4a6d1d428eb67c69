/** Socket.IO. The package is loaded when it is wanted, so a page that never uses it does not carry it. */
import { HubError } from './hub-error.js';
import { type Link, type LinkOptions, readAck } from './link.js';

export async function openSocketIo({ url, token, listener }: LinkOptions): Promise<Link> {
  const { io } = await import('socket.io-client');
  // The client keeps cursors itself, for all transports alike: each connection is a new one.
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
    .on('connect_error', ({ message, data }: Error & { data?: { code: string; message: string } }) => {
      const refused = data ?? { code: 'unreachable', message: `Socket.IO: ${message}` };
      listener.closed(new HubError(refused.code, refused.message));
    })
    .on('disconnect', (reason) => listener.closed(new HubError('unreachable', `Socket.IO: ${reason}`)));
  for (const event of ['welcome', 'message', 'position', 'gap', 'degraded', 'drain', 'expiring'] as const) {
    socket.on(event, listener[event] as () => void);
  }
  const request: Link['request'] = (operation, body, done) => {
    // It is timed out as well where the connection is lost before it.
    socket.timeout(10_000).emit(operation, body, (error: unknown, ack: Record<string, unknown>) => {
      done(error === null ? readAck(ack) : { ok: false, error: new HubError('timeout', 'no answer') });
    });
  };
  return {
    transport: 'socketio',
    get via() {
      return socket.io.engine?.transport?.name ?? '';
    },
    request,
    close: () => {
      socket.off();
      socket.disconnect();
    },
  };
}
