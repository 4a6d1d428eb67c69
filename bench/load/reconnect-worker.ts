/**
 * A process of unmodified socket.io-clients with default options: they lose their node, reconnect by themselves, and
 * record when they have caught up and whether anything is missing.
 */

import type { WelcomeInfo } from '@axiom-streaming/protocol/message';
import { io, type Socket } from 'socket.io-client';

/** One client: where it appears to come from, and what it reads. */
export interface ReconnectClient {
  readonly address: string;
  readonly topics: readonly string[];
}

/** The order to a worker. */
export type ReconnectOrder =
  | {
      readonly do: 'connect';
      readonly url: string;
      readonly clients: readonly ReconnectClient[];
      /** Whether latencies are kept and reported. */
      readonly watches: boolean;
    }
  | { readonly do: 'forget' }
  | { readonly do: 'report' };

/** Its answer. Times are wall-clock times, ms. */
export interface ReconnectReport {
  /** The node of each client. */
  readonly nodes: readonly string[];
  /** For each client that came back: when it had caught up. */
  readonly caughtUpAt: readonly number[];
  /** Clients that came back and were not recovered. */
  readonly notRecovered: number;
  /** Clients that have lost their connection. */
  readonly disconnected: number;
  /** Messages that are missing or came twice, by the numbers of each publisher. */
  readonly wrong: number;
  /** The states of some of the clients that have not come back. */
  readonly states: readonly string[];
  /** Publish to receive of clients that never lost their connection, ms. */
  readonly latencies: readonly number[];
}

const AT_ONCE = 50;
const MAX_LATENCIES = 200_000;

interface StormMessage {
  readonly topic: string;
  readonly data: { readonly n: number; readonly at: number };
}

class Client {
  readonly #socket: Socket;
  #lastError = '';
  readonly #next = new Map<string, number>();
  readonly ready: Promise<void>;
  node = '';
  caughtUpAt: number | undefined;
  notRecovered = false;
  disconnected = false;
  wrong = 0;

  constructor(url: string, { address, topics }: ReconnectClient) {
    this.#socket = io(url, {
      transports: ['websocket'],
      extraHeaders: { 'X-Forwarded-For': address },
      forceNew: true,
    });
    const socket = this.#socket;
    this.ready = new Promise((resolve) => {
      socket.on('welcome', ({ node }: WelcomeInfo) => {
        const first = this.node === '';
        this.node = node;
        if (first) {
          void socket.emitWithAck('subscribe', { topics }).then(() => resolve());
        } else if (!socket.recovered) {
          this.notRecovered = true;
        } else {
          socket.once('position', () => {
            this.caughtUpAt = Date.now();
          });
        }
      });
    });
    socket.on('disconnect', (reason) => {
      this.disconnected = true;
      this.#lastError = reason;
    });
    socket.on('connect_error', (error) => {
      this.#lastError = error.message;
    });
    socket.on('message', ({ topic, data: { n, at } }: StormMessage) => {
      const expected = this.#next.get(topic);
      if (expected !== undefined && n !== expected) this.wrong += 1;
      this.#next.set(topic, n + 1);
      if (watches && !this.disconnected && latencies.length < MAX_LATENCIES) latencies.push(Date.now() - at);
    });
  }

  get state(): string {
    return `${this.#socket.connected ? 'connected' : 'not connected'}, ${this.#lastError}`;
  }
}

const clients: Client[] = [];
let latencies: number[] = [];
let watches = false;

process.on('disconnect', () => process.exit());
process.on('message', (order: ReconnectOrder) => {
  void obey(order).then(() => process.send?.(report()));
});

async function obey(order: ReconnectOrder): Promise<void> {
  if (order.do === 'forget') latencies = [];
  if (order.do !== 'connect') return;
  watches = order.watches;
  for (let i = 0; i < order.clients.length; i += AT_ONCE) {
    const group = order.clients.slice(i, i + AT_ONCE).map((client) => new Client(order.url, client));
    clients.push(...group);
    await Promise.all(group.map(({ ready }) => ready));
  }
}

function report(): ReconnectReport {
  const count = (of: (client: Client) => boolean) => clients.filter(of).length;
  return {
    nodes: clients.map(({ node }) => node),
    caughtUpAt: clients.flatMap(({ caughtUpAt }) => caughtUpAt ?? []),
    notRecovered: count(({ notRecovered }) => notRecovered),
    disconnected: count(({ disconnected }) => disconnected),
    wrong: clients.reduce((sum, { wrong }) => sum + wrong, 0),
    states: clients
      .filter(({ disconnected, caughtUpAt }) => disconnected && caughtUpAt === undefined)
      .slice(0, 5)
      .map(({ state }) => state),
    latencies,
  };
}
