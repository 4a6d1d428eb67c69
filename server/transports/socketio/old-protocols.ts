/**
 * Clients of Socket.IO 2 and older (Engine.IO protocol 3). Engine.IO would upgrade them to a WebSocket and then write
 * the refusal onto it as plain text, which they report as "Invalid WebSocket frame", again and again.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../../logger.js';
import { answerUpgrade } from '../problem.js';

/** Engine.IO's own answer to such a client over polling. */
const BODY = JSON.stringify({ code: 5, message: 'Unsupported protocol version' });
const HEADERS = { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(BODY)) };
/** The protocol of Socket.IO 3 and 4. */
const PROTOCOL = '4';
const LOG_EVERY_MS = 60_000;

export class OldProtocols {
  readonly #logger: Logger;
  readonly #now: () => number;
  #loggedAt = Number.NEGATIVE_INFINITY;
  #refused = 0;

  /** @param now ms of a clock that is never set */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Whether a handshake is of another protocol than the hub's. */
  isOld(protocol: string | undefined): boolean {
    return protocol !== PROTOCOL;
  }

  /** Answers a handshake or an upgrade of another protocol. */
  refuse(request: IncomingMessage, protocol: string | undefined, response: ServerResponse): void {
    this.#log(protocol, request.headers['user-agent']);
    if (request.headers.upgrade === undefined) response.writeHead(400, HEADERS).end(BODY);
    else answerUpgrade(request.socket, 400, HEADERS, BODY);
  }

  /** Such clients reconnect every few seconds, so one line per minute says how many there were. */
  #log(protocol: string | undefined, userAgent: string | undefined): void {
    this.#refused += 1;
    const now = this.#now();
    if (now - this.#loggedAt < LOG_EVERY_MS) return;
    this.#loggedAt = now;
    this.#logger.warn(
      { protocol: protocol?.slice(0, 20), userAgent: userAgent?.slice(0, 200), refused: this.#refused },
      'socketio: a client of an old protocol was refused; socket.io-client 3 or newer is needed',
    );
    this.#refused = 0;
  }
}
