import type { Message } from '@axiom-streaming/protocol/message';
import type { TransportName } from '@axiom-streaming/protocol/transports';
import {
  fromAddress,
  nextAddress,
  type TestClient,
  type TestSocket,
  type TestSubscription,
} from '../support/client.js';
import { type Answer, call, publish } from '../support/http.js';
import {
  connectSocketIo,
  type SocketIoTestClient,
  type SocketIoTestOptions,
} from '../support/socketio-client.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { EventStream } from './event-stream.js';
import type { StreamInfo, Target } from './target.js';

/** What a publisher is told. */
export interface Published {
  readonly topic: string;
  readonly seq: number;
  readonly epoch: string;
  readonly time: number;
  readonly duplicate?: true;
}

/** The transports with requests and acknowledgements. */
export const SOCKETS = ['socketio', 'websocket'] as const;
export type SocketName = (typeof SOCKETS)[number];

/**
 * One test's clients. All of them, and its HTTP calls, come from one address, so that a cluster serves them by one
 * node; another address may be another node.
 */
export class Visitor {
  readonly address = nextAddress();
  readonly #target: Target;
  readonly #clients: { close(): void }[] = [];

  constructor(target: Target) {
    this.#target = target;
  }

  get url(): string {
    return this.#target.url;
  }

  /** Connects and subscribes, from another address where one is given. */
  async subscribe(
    transport: TransportName,
    subscription: TestSubscription,
    address = this.address,
  ): Promise<TestClient> {
    return this.#keep(await subscribeOver(transport, { url: this.url, address }, subscription));
  }

  /** Connects a socket without subscribing. */
  connect(transport: SocketName): Promise<TestSocket> {
    return transport === 'socketio' ? this.connectSocketIo() : this.connectWebSocket();
  }

  async connectSocketIo(
    options: Pick<SocketIoTestOptions, 'transports' | 'auth'> = {},
  ): Promise<SocketIoTestClient> {
    return this.#keep(await connectSocketIo({ url: this.url, address: this.address, ...options }));
  }

  async connectWebSocket(): Promise<WebSocketTestClient> {
    return this.#keep(await WebSocketTestClient.connect({ url: this.url, address: this.address }));
  }

  /** Opens an event stream and reads it as bytes. */
  async openStream(
    query: string | Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<EventStream> {
    const text = typeof query === 'string' ? query : String(new URLSearchParams(query));
    return this.#keep(
      await EventStream.open(`${this.url}/stream?${text}`, { ...fromAddress(this.address), ...headers }),
    );
  }

  /** Publishes over HTTP. @throws Error where the answer is not 201. */
  async publish(topic: string, data: unknown): Promise<Published> {
    const { status, body } = await publish(this.url, topic, data, fromAddress(this.address));
    if (status !== 201) throw new Error(`a publish to ${topic} was answered with ${status}`);
    return body as unknown as Published;
  }

  /** Publishes values in their order, and waits until the visitor's node has them. */
  async publishAll(topic: string, values: readonly unknown[]): Promise<Published[]> {
    const published: Published[] = [];
    for (const value of values) published.push(await this.publish(topic, value));
    const last = published.at(-1);
    if (last !== undefined) await this.nodeHas(last);
    return published;
  }

  /** Resolves when the node that serves this visitor has a message: an acknowledgement may be ahead of it. */
  async nodeHas({ topic, seq }: Published): Promise<void> {
    await until(
      `the node has ${topic} ${seq}`,
      async () => (await this.stream(topic.split(':', 1)[0]!)).lastSeq >= seq,
    );
  }

  /** A stream as this visitor's node sees it now. */
  stream(name: string): Promise<StreamInfo> {
    return this.#target.stream(name, this.address);
  }

  /** Any HTTP call from this visitor's address. */
  call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: string | Buffer,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    return call<T>(method, this.url + path, body, { ...fromAddress(this.address), ...headers });
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #keep<T extends { close(): void }>(client: T): T {
    this.#clients.push(client);
    return client;
  }
}

/** Gives each test of the `describe` that calls this a visitor of its own, whose clients are closed after the test. */
export function eachTestHasVisitor(target: Target): () => Visitor {
  let visitor: Visitor | undefined;
  beforeEach(() => {
    visitor = new Visitor(target);
  });
  afterEach(() => visitor?.close());
  return () => {
    if (visitor === undefined) throw new Error('there is a visitor only while a test runs');
    return visitor;
  };
}

/** What a client has seen of some topics, in the order of arrival. */
export function messagesOf(client: TestClient, ...topics: readonly string[]): Message[] {
  return client.seen.messages.filter(({ topic }) => topics.includes(topic));
}
