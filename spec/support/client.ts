/**
 * One face for clients of the three transports, so that a spec of behaviour is written once. Each is an ordinary
 * client: the unmodified `socket.io-client`, the `eventsource` package, a `ws` socket that resends its cursor.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { DegradedInfo, GapInfo, Message, TopicVerdict } from '@axiom-streaming/protocol/message';
import { TRANSPORTS, type TransportName } from '@axiom-streaming/protocol/transports';
import { until } from './wait.js';

/** The transports, and Socket.IO in its other encoding. */
export const CLIENTS = [...TRANSPORTS, 'msgpack'] as const;
export type ClientName = (typeof CLIENTS)[number];

/** What a test client subscribes with. */
export interface TestSubscription {
  readonly topics: readonly string[];
  readonly since?: string;
  readonly rewind?: number;
  readonly conflate?: 'latest' | 'merge';
  readonly maxRate?: number;
}

export interface TestClientOptions {
  readonly url: string;
  /** The address that NGINX should see (it hashes three octets); default a random one. */
  readonly address?: string;
  /** Default: that of the specs. */
  readonly token?: string;
  /** Is told everything that the client is told, as it is told. */
  readonly listener?: ClientListener;
  /** Whether {@link Seen} keeps messages and frames. Default true; a storm has too many of them. */
  readonly keeps?: boolean;
}

/** Who is told what a client is told, and what becomes of its connections. */
export interface ClientListener {
  /** @param recovered whether Socket.IO took its session up again */
  connected(node: string, recovered: boolean): void;
  /** A Socket.IO client came back without its session. @param reason undefined: it was not told why */
  refused(reason: string | undefined): void;
  /**
   * A subscription was acknowledged, or a session taken up.
   *
   * @param since whether the client gave a cursor
   */
  subscribed(verdicts: readonly TopicVerdict[], cursor: string, since: boolean): void;
  message(message: Message, cursor: string): void;
  position(cursor: string): void;
  gap(info: GapInfo): void;
  degraded(info: DegradedInfo): void;
  /** Something that may happen: a connection was lost, a subscription will be tried again. */
  note(what: string): void;
  /** Something after which an ordinary client would not come back. */
  fail(what: string): void;
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
  /** Verdicts of the last subscription or resumption. */
  verdicts: readonly TopicVerdict[] = [];
  /** Cursor of the last message, position or subscription: the client comes back with it. */
  cursor = '';
  /** Times the connection was lost. */
  losses = 0;
  readonly keeps: boolean;
  readonly #listener: ClientListener | undefined;

  constructor({ listener, keeps = true }: Pick<TestClientOptions, 'listener' | 'keeps'> = {}) {
    this.#listener = listener;
    this.keeps = keeps;
  }

  connected(node: string, recovered = false): void {
    this.nodes.push(node);
    this.#listener?.connected(node, recovered);
  }

  refused(reason: string | undefined): void {
    this.#listener?.refused(reason);
  }

  subscribed(verdicts: readonly TopicVerdict[], cursor: string, since: boolean): void {
    this.verdicts = verdicts;
    this.cursor = cursor;
    this.#listener?.subscribed(verdicts, cursor, since);
  }

  message(message: Message, cursor: string): void {
    if (this.keeps) this.messages.push(message);
    this.cursor = cursor;
    this.#listener?.message(message, cursor);
  }

  position(cursor: string): void {
    if (this.keeps) this.positions.push(cursor);
    this.cursor = cursor;
    this.#listener?.position(cursor);
  }

  gap(info: GapInfo): void {
    this.gaps.push(info);
    this.#listener?.gap(info);
  }

  degradation(info: DegradedInfo): void {
    this.degraded.push(info);
    this.#listener?.degraded(info);
  }

  lost(why: string): void {
    this.losses += 1;
    this.#listener?.note(`lost: ${why}`);
  }

  note(what: string): void {
    this.#listener?.note(what);
  }

  fail(what: string): void {
    this.#listener?.fail(what);
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

/**
 * A client that is connected; it has subscribed where `subscribeOver` made it. It comes back by itself when it loses
 * its connection, and resumes its subscription from its cursor.
 */
export interface TestClient {
  readonly transport: TransportName;
  readonly seen: Seen;
  /** Verdicts of the last subscription or resumption. */
  readonly verdicts: readonly TopicVerdict[];
  /** The node that serves it now. */
  readonly node: string;
  /**
   * Resolves when at least `count` messages have come, of a topic or of all.
   *
   * @throws Error that says what came instead
   */
  received(count: number, topic?: string): Promise<void>;
  /** Reads nothing more from the present connection: what is sent waits where it is. */
  stall(): void;
  /** Reads on. */
  resume(): void;
  /** Loses its connection as a network would lose it. */
  cut(): void;
  close(): void;
}

/** A client of a transport that has requests and acknowledgements. */
export interface TestSocket extends TestClient {
  /** One request and its acknowledgement. @throws Error where there is none within 60 s */
  request(operation: string, body: object): Promise<Ack>;
}

/** An acknowledgement as it comes over the wire. */
export interface Ack {
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly message: string; readonly field?: string };
  readonly topics?: readonly TopicVerdict[];
  readonly cursor?: string;
  readonly [name: string]: unknown;
}

/** A connection that is not made within this time is tried again, ms. */
export const CONNECT_WITHIN_MS = 20_000;
/** Nothing of which a client waits for an answer takes as long as this on any machine, ms. */
export const ANSWER_WITHIN_MS = 60_000;

/** What the clients of the three transports have in common. */
export abstract class BaseTestClient implements TestClient {
  abstract readonly transport: TransportName;
  readonly seen: Seen;

  constructor(options: TestClientOptions) {
    this.seen = new Seen(options);
  }

  get verdicts(): readonly TopicVerdict[] {
    return this.seen.verdicts;
  }

  get node(): string {
    return this.seen.nodes.at(-1) ?? '';
  }

  async received(count: number, topic?: string): Promise<void> {
    await until(
      `${count} messages${topic === undefined ? '' : ` of ${topic}`} have come over ${this.transport}`,
      () => this.seen.data(topic).length >= count,
      { instead: () => this.seen.data(topic) },
    );
  }

  abstract stall(): void;
  abstract resume(): void;
  abstract cut(): void;
  abstract close(): void;
}

/**
 * Asks for a subscription. `heard` is called with the acknowledgement before the client hears anything that came after
 * it: a promise is too late for that, since one packet may carry both.
 */
export type AskToSubscribe = (body: object, heard: (ack: Ack) => void) => Promise<Ack>;

/** Subscribes what a client will resume, for the transports with acknowledgements. */
export class Resumption {
  readonly #seen: Seen;
  readonly #ask: AskToSubscribe;
  readonly #keepsCursor: boolean;
  #subscription: TestSubscription | undefined;
  #failures = 0;

  /** @param keepsCursor whether it comes back with its cursor; default true */
  constructor(seen: Seen, ask: AskToSubscribe, keepsCursor = true) {
    this.#seen = seen;
    this.#ask = ask;
    this.#keepsCursor = keepsCursor;
  }

  /** @throws Error where the hub refuses it */
  async begin(subscription: TestSubscription): Promise<void> {
    const since = subscription.since !== undefined;
    const ack = await this.#ask(subscription, (heard) => this.#heard(heard, since));
    if (!ack.ok) throw new Error(`subscribe was refused: ${ack.error?.code}: ${ack.error?.message}`);
    this.#subscription = subscription;
  }

  /**
   * Subscribes again on another connection, where there is something to resume, until it is acknowledged.
   *
   * @param isCurrent whether that connection is still the client's
   */
  async resume(isCurrent: () => boolean): Promise<void> {
    if (this.#subscription === undefined) return;
    const { topics, conflate, maxRate } = this.#subscription;
    while (isCurrent()) {
      const since = this.#keepsCursor && this.#seen.cursor !== '' ? this.#seen.cursor : undefined;
      const heard = (ack: Ack) => {
        // Whoever has another connection by now has subscribed on that.
        if (isCurrent()) this.#heard(ack, since !== undefined);
      };
      try {
        const { ok, error } = await this.#ask({ topics, conflate, maxRate, since }, heard);
        if (ok) return;
        this.#seen.note(`subscribe failed: ${error?.code}`);
      } catch (error) {
        this.#seen.note(`subscribe failed: ${String(error)}`);
      }
      await delay(backoffMs(this.#failures++));
    }
  }

  #heard({ ok, topics = [], cursor = '' }: Ack, since: boolean): void {
    if (!ok) return;
    this.#failures = 0;
    this.#seen.subscribed(topics, cursor, since);
  }
}

/** The pause before coming back after so many failures in a row: 50 ms to 1 s, with jitter. */
export function backoffMs(failures: number): number {
  return Math.min(1_000, 50 * 2 ** failures) * (0.5 + Math.random());
}

let addresses = 0;

/** Another /24 of this machine at each call, and so another place in NGINX's hash. */
export function nextAddress(): string {
  addresses += 1;
  return `127.${1 + Math.floor(addresses / 250) + (process.pid % 100)}.${1 + (addresses % 250)}.1`;
}

/**
 * The headers with which a client comes from an address. A hub that is not of the specs takes nobody's word for that, and
 * one without a secret serves nobody who came through a proxy.
 */
export function fromAddress(address: string): Record<string, string> {
  return process.env.CONFORMANCE_URL === undefined ? { 'X-Forwarded-For': address } : {};
}
