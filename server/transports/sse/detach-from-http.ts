import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The parser behind an HTTP connection. The one cast to internals of `node:http`, where a response keeps its request,
 * its headers and a parser as long as the connection lives: three times what an event stream itself needs.
 * `spec/transports/detach-from-http.spec.ts` holds on to it.
 */
interface HttpParser {
  _consumed: boolean;
  socket: unknown;
  incoming: unknown;
  outgoing: unknown;
  unconsume(): void;
  remove(): void;
  close(): void;
}

/** The listeners that `node:http` puts on a socket: event, and name of the function. Other listeners stay. */
const HTTP_EVENTS = ['data', 'end', 'close', 'drain', 'error', 'timeout', 'pause', 'resume'];
const HTTP_LISTENER = /^(bound )?(socketOn(Data|End|Close|Drain|Error|Timeout)|onSocket(Pause|Resume))$/;

/**
 * Answers 200 with the headers set on the response, and detaches the TCP connection from HTTP, as an upgrade would:
 * everything written to the socket from now on is the body, framed as the headers say; the connection ends with it. The
 * client's bytes are read and discarded. A client that closes its half continues to read: see {@link whenHalfClosed}.
 *
 * Resolves with undefined if the connection closed meanwhile. The response and its request must not be used afterwards.
 */
export async function detachFromHttp(response: ServerResponse): Promise<Socket | undefined> {
  // This may run inside a callback of the parser, which must not be freed until that has returned.
  await new Promise((resolve) => setImmediate(resolve));
  const socket = response.socket;
  if (socket === null || socket.destroyed) return undefined;
  const { parser } = socket as unknown as { parser: HttpParser | null };

  response.detachSocket(socket);
  for (const event of HTTP_EVENTS) {
    for (const listener of socket.rawListeners(event)) {
      if (HTTP_LISTENER.test(listener.name)) socket.off(event, listener as () => void);
    }
  }
  if (parser !== null) {
    (socket as unknown as { parser: null }).parser = null;
    if (parser._consumed) parser.unconsume();
    parser._consumed = false;
    parser.remove();
    parser.socket = null;
    parser.incoming = null;
    parser.outgoing = null;
    parser.close();
  }
  socket.setTimeout(0);
  socket.setNoDelay(true);
  // A reset needs no handling of its own: 'close' follows.
  socket.on('error', () => socket.destroy());
  socket.resume();
  socket.write(head(response));
  return socket;
}

/**
 * Lets the client close its half while its request is being looked at: `node:http` would end the connection.
 *
 * @returns undoes this, for a response that is not detached after all
 */
export function allowHalfOpen(response: ServerResponse): () => void {
  const { socket } = response;
  if (socket === null) return () => undefined;
  const listeners = socket.rawListeners('end').filter(({ name }) => HTTP_LISTENER.test(name));
  for (const listener of listeners) socket.off('end', listener as () => void);
  return () => {
    for (const listener of listeners) socket.on('end', listener as () => void);
    if (socket.readableEnded) response.setHeader('Connection', 'close');
  };
}

/** Calls back once when the client of a detached connection has closed its half, or has done so already. */
export function whenHalfClosed(socket: Socket, then: () => void): void {
  if (socket.readableEnded) then();
  else socket.once('end', then);
}

function head(response: ServerResponse): string {
  const lines = ['HTTP/1.1 200 OK', `Date: ${new Date().toUTCString()}`, 'Connection: close'];
  // Node checked names and values when they were set.
  for (const [name, value] of Object.entries(response.getHeaders())) {
    if (/^(connection|content-length|date)$/i.test(name)) continue;
    for (const each of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${each}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
