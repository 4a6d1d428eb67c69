/**
 * The WebSocket server below both socket transports. `ws` answers every ping with a pong, even for a client that does
 * not read: without a limit the pongs would pile up in memory. Pongs that nobody asked for are work, too.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';

/** Most pings and pongs of a client within a number of ms. A library that sends its own heartbeat needs one or two. */
const MAX_PINGS = 50;
/** Of one message. Each keeps the buffer that it was read with until the message is complete. */
const MAX_FRAGMENTS = 128;
const IN_MS = 10_000;
/** A client that does not read does not see a close frame either. */
const TERMINATE_AFTER_MS = 1_000;

/** Kept only for clients that ping at all. */
const pings = new WeakMap<WebSocket, { since: number; count: number }>();

function countPing(this: WebSocket): void {
  const now = performance.now();
  const counted = pings.get(this);
  if (counted === undefined || now - counted.since > IN_MS) {
    pings.set(this, { since: now, count: 1 });
    return;
  }
  counted.count += 1;
  if (counted.count !== MAX_PINGS + 1) return;
  this.pause();
  this.close(CLOSE.tooMany.code, CLOSE.tooMany.name);
  setTimeout(() => this.terminate(), TERMINATE_AFTER_MS).unref();
}

export class GuardedWebSocketServer extends WebSocketServer {
  constructor(options: ServerOptions) {
    // `ws` would agree to the first subprotocol that a client offers. The hub speaks none (RFC 6455, 4.2.2).
    super({ ...options, maxFragments: MAX_FRAGMENTS, handleProtocols: () => false } as ServerOptions);
  }

  override handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    done: (client: WebSocket, request: IncomingMessage) => void,
  ): void {
    super.handleUpgrade(request, socket, head, (client, upgraded) => {
      client.on('ping', countPing);
      client.on('pong', countPing);
      done(client, upgraded);
    });
  }
}
