/** The port of a node, and settings for every connection on it. */
import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type RequestListener,
} from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Gate } from '../auth/gate.js';
import type { Config } from '../config/config.js';
import { HubError } from '../errors.js';
import { refuseUpgrade } from '../transports/problem.js';
import { HubRequest } from '../transports/upgrades.js';
import { limitSockets } from './socket-limit.js';

/**
 * Longer than a proxy keeps an idle connection (NGINX: 60 s); otherwise a request could meet a connection that is just
 * being closed.
 */
const KEEP_ALIVE_MS = 75_000;
/** Clients that send headers or bodies too slowly are cut. This does not affect streams that are read slowly. */
const SLOW_REQUESTS = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 1_000 };
/**
 * Clients of a killed node come all at once; Node's default of 511 would refuse most. The kernel's limit applies too.
 */
const LISTEN_BACKLOG = 4_096;

/** Of a request's first line and headers together. NGINX hands on no header or address above 16 KiB. */
const MAX_HEAD_BYTES = 32 * 1024;

/** Creates a server, which does not listen yet. */
export function createHttpServer(router: RequestListener, gate: Gate): HttpServer {
  const server = createServer(
    {
      ...SLOW_REQUESTS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEAD_BYTES,
      IncomingMessage: HubRequest,
    },
    router,
  );
  server.on('clientError', refuseUnread);
  // Node.js would answer it uncounted, and keep the connection.
  server.on('checkExpectation', (_request, response) => {
    response.writeHead(417, { Connection: 'close' }).end();
  });
  limitSockets(server, gate);
  return server;
}

/** Answers a request that could not be read, as every other refusal is answered. */
function refuseUnread(error: NodeJS.ErrnoException, socket: Duplex): void {
  // As Node.js does it itself: an answer that has begun must not be written into.
  const { _httpMessage: answering } = socket as { _httpMessage?: { headersSent: boolean } | null };
  if (!socket.writable || answering?.headersSent === true || error.code === 'ECONNRESET') {
    socket.destroy(error);
    return;
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    refuseUpgrade(
      socket,
      new HubError('headers_too_large', `the address and the headers have more than ${MAX_HEAD_BYTES} bytes`),
    );
  } else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    socket.end('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n', () => socket.destroy());
  } else {
    refuseUpgrade(socket, new HubError('bad_request', 'this is not a request of HTTP/1.1'));
  }
}

/**
 * Removes the base path from the address of each request and upgrade before anything else sees it. A proxy may have
 * stripped it already: an address without it stays unchanged. To be called last, as it precedes the existing listeners.
 *
 * @param basePath such as `/hub`; empty: none
 */
export function stripBasePath(server: HttpServer, basePath: string): void {
  if (basePath === '') return;
  const strip = (request: IncomingMessage) => {
    if (request.url?.startsWith(`${basePath}/`)) request.url = request.url.slice(basePath.length);
  };
  server.prependListener('request', strip).prependListener('upgrade', strip);
}

/** Resolves when the server listens. @throws Error, e.g. with the code `EADDRINUSE` */
export function listen(server: HttpServer, { host, port }: Config['http']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** The address at which this machine reaches a listening server. */
export function addressOf(server: HttpServer, { host }: Config['http']): { port: number; url: string } {
  const { port } = server.address() as AddressInfo;
  const name = host === '127.0.0.1' ? 'localhost' : isIPv6(host) ? `[${host}]` : host;
  return { port, url: `http://${name}:${port}` };
}
