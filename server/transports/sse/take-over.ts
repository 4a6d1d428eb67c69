import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The parser behind an HTTP connection. The one cast to internals of `node:http`, where a response keeps its request,
 * its headers and a parser as long as the connection lives: three times what an event stream itself needs.
 * `spec/transports/take-over.spec.ts` holds on to it.
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

/** What `node:http` listens to on a socket, and by the names of which functions; others' listeners stay. */
const HTTP_EVENTS = ['data', 'end', 'close', 'drain', 'error', 'timeout', 'pause', 'resume'];
const HTTP_LISTENER = /^(bound )?(socketOn(Data|End|Close|Drain|Error|Timeout)|onSocket(Pause|Resume))$/;

/**
 * Answers 200 with the headers that the response has, and takes the TCP connection out of HTTP's hands, as an upgrade
 * would: what is written on the socket from now on is the body, which ends with the connection. The client's bytes are
 * read and thrown away.
 *
 * Resolves with undefined where the connection has gone meanwhile. The response and its request are not to be used any more.
 */
export async function takeOver(response: ServerResponse): Promise<Socket | undefined> {
  // This may run inside the parser, which cannot be taken away under its own feet.
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
  // A reset is an end like any other: 'close' follows.
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.resume();
  socket.write(head(response));
  return socket;
}

function head(response: ServerResponse): string {
  const lines = ['HTTP/1.1 200 OK', `Date: ${new Date().toUTCString()}`, 'Connection: close'];
  // Node has checked names and values when they were set.
  for (const [name, value] of Object.entries(response.getHeaders())) {
    if (/^(connection|transfer-encoding|content-length|date)$/i.test(name)) continue;
    for (const each of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${each}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
