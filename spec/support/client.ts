/**
 * One face for clients of the three transports, so that a spec of behaviour is written once. Each is an ordinary
 * client: the unmodified `socket.io-client`, the `eventsource` package, a `ws` socket that resends its cursor.
 */
import type { GapInfo, Message, TopicVerdict } from '@axiom-streaming/protocol/message';

export const TRANSPORTS = ['socketio', 'websocket', 'sse'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** What a test client subscribes with. */
export interface TestSubscription {
  readonly topics: readonly string[];
  readonly since?: string;
  readonly rewind?: number;
  readonly conflate?: 'latest' | 'merge';
  readonly maxRate?: number;
}

/** What a subscription was answered with. */
export interface TestVerdicts {
  readonly topics: readonly TopicVerdict[];
  readonly cursor: string;
}

export interface TestClientOptions {
  readonly url: string;
  /** The address that NGINX should see (it hashes three octets); default a random one. */
  readonly address?: string;
  /** Default: that of the specs. */
  readonly token?: string;
}

/** What every test client has seen so far. */
export class Seen {
  readonly messages: Message[] = [];
  readonly gaps: GapInfo[] = [];
  readonly drains: unknown[] = [];
  readonly degraded: unknown[] = [];
  readonly positions: string[] = [];
  /** Node by connection, the last one being the present. */
  readonly nodes: string[] = [];
  /** Cursor of the last message or position. */
  cursor = '';
  /** Times the connection was lost. */
  losses = 0;

  message(message: Message, cursor: string): void {
    this.messages.push(message);
    this.cursor = cursor;
  }

  position(cursor: string): void {
    this.positions.push(cursor);
    this.cursor = cursor;
  }

  /** `data` of the messages of one topic, or of all. */
  data(topic?: string): unknown[] {
    return this.messages
      .filter((message) => topic === undefined || message.topic === topic)
      .map(({ data }) => data);
  }

  seqs(): number[] {
    return this.messages.map(({ seq }) => seq);
  }
}

/** A connected, subscribed client. It comes back by itself when it loses its connection. */
export interface TestClient {
  readonly transport: TransportName;
  readonly seen: Seen;
  /** Verdicts of the last subscription or resumption. */
  readonly verdicts: readonly TopicVerdict[];
  /** The node that serves it now. */
  readonly node: string;
  close(): void;
}

let addresses = 0;

/** Another /24 of this machine at each call, and so another place in NGINX's hash. */
export function nextAddress(): string {
  addresses += 1;
  return `127.${1 + Math.floor(addresses / 250) + (process.pid % 100)}.${1 + (addresses % 250)}.1`;
}
