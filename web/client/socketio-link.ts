/** Socket.IO. The package is loaded when it is wanted, so a page that never uses it does not carry it. */
import { HubError } from './hub-error.js';
import { ACK_TIMEOUT_MS, type Link, type LinkOptions, readAck, refusal } from './link.js';

export async function openSocketIo({ url, token, listener }: LinkOptions): Promise<Link> {
  const { io } = await import('socket.io-client');
  // The client keeps cursors itself, for all transports alike: each connection is a new one.
  const socket = io(url, {
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    reconnection: false,
    forceNew: true,
    ...(token === undefined ? {} : { auth: { token } }),
  });
  const refused = (error: Error & { data?: { code?: string; message?: string } }) => {
    const code = error.data?.code ?? 'unreachable';
    listener.closed(new HubError(code, error.data?.message ?? `Socket.IO: ${error.message}`), false);
  };
  socket
    .on('connect_error', refused)
    .on('disconnect', (reason) => listener.closed(new HubError('unreachable', `Socket.IO: ${reason}`), false))
    .on('welcome', listener.welcome)
    .on('message', listener.message)
    .on('position', listener.position)
    .on('gap', listener.gap)
    .on('degraded', listener.degraded)
    .on('drain', listener.drain);
  const request: Link['request'] = (operation, body, done) => {
    socket.timeout(ACK_TIMEOUT_MS).emit(operation, body, (error: unknown, ack: Record<string, unknown>) => {
      done(error === null ? readAck(ack) : refusal('timeout', `the hub did not answer ${operation}`));
    });
  };
  return {
    transport: 'socketio',
    get via() {
      return socket.io.engine?.transport?.name ?? '';
    },
    request,
    release: (_reading, topics) => {
      if (topics.length > 0) request('unsubscribe', { topics }, () => undefined);
    },
    authenticate: (token, done) => {
      request('auth', { token }, done);
      return true;
    },
    close: () => {
      socket.off();
      socket.disconnect();
    },
  };
}
