/**
 * The connection: an unmodified Socket.IO client, and what this page has to know about it.
 *
 * The client library keeps the session and the last cursor and resumes by itself. All that is done here is to subscribe
 * once per session, and to tell live messages from those that are played back: the ones of a `rewind` until the first
 * `position`, and the ones that were missed while the connection was away.
 */
import { io, type Socket } from 'socket.io-client';
import type { DegradedInfo, GapInfo, Message, WelcomeInfo } from '../../server/protocol/message.js';
import { topicName } from '../../server/protocol/topic.js';
import { CatchUp } from './catch-up.js';
import type { HubClock } from './hub-clock.js';
import type { ClientEvents, ServerEvents, SubscribeAck } from './hub-events.js';

export type State =
  | 'connecting'
  | 'connected'
  | 'catching-up'
  | 'moving'
  | 'reconnecting'
  | 'unreachable'
  | 'closed';

/** What is known of the connection now. */
export interface Status {
  readonly state: State;
  readonly node?: string;
  readonly transport?: string;
  /** When this connection was made, ms. */
  readonly since?: number;
}

export interface ConnectionListener {
  statusChanged(status: Status): void;
  /** A node has greeted. `resumes`: the session goes on, nothing is subscribed to again. */
  welcomed(info: WelcomeInfo, resumes: boolean): void;
  /** A subscription with `rewind` begins; messages that follow may be older than the last one seen. */
  subscribed(topics: readonly string[], cursor: string): void;
  subscriptionRefused(message: string, retryInMs: number | undefined): void;
  /** What was missed is here, this many messages. */
  caughtUp(count: number): void;
  message(message: Message, isLive: boolean, arrivedAt: number): void;
  position(cursor: string): void;
  gap(info: GapInfo): void;
  degraded(info: DegradedInfo): void;
  draining(): void;
  lost(reason: string): void;
  unreachable(reason: string): void;
  /** The client will not come back by itself. */
  closed(reason: string): void;
}

const REWIND = 20;
const ACK_TIMEOUT_MS = 10_000;
const RETRY_MS = 5_000;
/** A backfill whose end is not announced is taken to be over after this silence. */
const SETTLED_AFTER_MS = 5_000;

export interface ConnectionOptions {
  /** Streams that the page has a panel for; those that the hub has not are left out. */
  readonly streams: readonly string[];
  readonly clock: HubClock;
  readonly listener: ConnectionListener;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket<ServerEvents, ClientEvents>;
  #status: Status = { state: 'connecting' };
  #wasConnected = false;
  /** The session reads its topics: a later connection that resumes it has nothing to subscribe to. */
  #reading = false;
  #rewinding = false;
  #catchUp: CatchUp | undefined;
  /** What a catch-up had counted when it was cut off. */
  #cutShort = 0;
  #settled: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = io({ autoConnect: false });
    const { listener } = options;
    this.#socket
      .on('connect', () => this.#connected())
      .on('disconnect', (reason) => this.#disconnected(reason))
      .on('connect_error', (error) => this.#failed(error))
      .on('welcome', (info) => this.#welcomed(info))
      .on('message', (message) => this.#message(message))
      .on('position', (cursor) => {
        this.#settle();
        listener.position(cursor);
      })
      .on('gap', (info) => listener.gap(info))
      .on('degraded', (info) => listener.degraded(info))
      .on('drain', () => {
        this.#update({ state: 'moving' });
        listener.draining();
      });
  }

  /** Connects, also after the server or an error has ended it for good. */
  open(): void {
    this.#update({ state: 'connecting' });
    this.#socket.connect();
  }

  #connected(): void {
    const { engine } = this.#socket.io;
    engine.once('upgrade', (transport) => this.#update({ transport: transport.name }));
    this.#wasConnected = true;
    const now = Date.now();
    const resumes = this.#socket.recovered && this.#reading;
    this.#catchUp = resumes ? new CatchUp(this.#options.clock.hubTime(now), this.#cutShort) : undefined;
    this.#cutShort = 0;
    this.#update({
      state: resumes ? 'catching-up' : 'connected',
      transport: engine.transport.name,
      since: now,
    });
  }

  #welcomed(info: WelcomeInfo): void {
    this.#update({ node: info.node });
    const resumes = this.#socket.recovered && this.#reading;
    if (!resumes) this.#reading = false;
    this.#options.listener.welcomed(info, resumes);
    if (resumes) this.#settleAfterSilence();
    else this.#subscribe(info);
  }

  #subscribe(info: WelcomeInfo): void {
    const topics = info.streams
      .filter(({ name }) => this.#options.streams.includes(name))
      .map(({ name }) => topicName(name, '*'));
    if (topics.length === 0) return;
    const { id } = this.#socket;
    const request = { topics, rewind: REWIND };
    this.#socket
      .timeout(ACK_TIMEOUT_MS)
      .emit('subscribe', request, (error: Error | null, ack: SubscribeAck) => {
        if (this.#socket.id !== id || !this.#socket.connected) return;
        if (error === null && ack.ok) {
          this.#reading = true;
          this.#rewinding = true;
          this.#settleAfterSilence();
          this.#options.listener.subscribed(topics, ack.cursor);
          return;
        }
        const mayPass =
          error !== null || (!ack.ok && /^(log_unavailable|overloaded|internal)$/.test(ack.error.code));
        if (mayPass) this.#retry = setTimeout(() => this.#subscribe(info), RETRY_MS);
        const message = error !== null ? 'the hub does not answer' : ack.ok ? '' : ack.error.message;
        this.#options.listener.subscriptionRefused(message, mayPass ? RETRY_MS : undefined);
      });
  }

  #message(message: Message): void {
    const now = Date.now();
    this.#options.clock.observe(message.time, now);
    const isMissed = this.#catchUp?.add(message.time) ?? false;
    if (isMissed || this.#rewinding) this.#settleAfterSilence();
    this.#options.listener.message(message, !isMissed && !this.#rewinding, now);
  }

  #settleAfterSilence(): void {
    clearTimeout(this.#settled);
    this.#settled = setTimeout(() => this.#settle(), SETTLED_AFTER_MS);
  }

  #settle(): void {
    clearTimeout(this.#settled);
    this.#rewinding = false;
    const catchUp = this.#catchUp;
    if (catchUp === undefined) return;
    this.#catchUp = undefined;
    if (this.#status.state === 'catching-up') this.#update({ state: 'connected' });
    this.#options.listener.caughtUp(catchUp.count);
  }

  #disconnected(reason: string): void {
    clearTimeout(this.#settled);
    clearTimeout(this.#retry);
    this.#rewinding = false;
    this.#cutShort = this.#catchUp?.count ?? 0;
    this.#catchUp = undefined;
    this.#options.listener.lost(reason);
    // Neither node nor transport: there is none now.
    this.#status = { state: this.#status.state === 'moving' ? 'moving' : 'reconnecting' };
    this.#update({});
    if (!this.#socket.active) this.#closed(reason);
  }

  #failed(error: Error): void {
    if (!this.#socket.active) {
      this.#closed(error.message);
      return;
    }
    this.#update({ state: this.#wasConnected ? 'reconnecting' : 'unreachable' });
    const { description } = error as Error & { readonly description?: unknown };
    const status = typeof description === 'number' && description > 0 ? ` (HTTP ${description})` : '';
    this.#options.listener.unreachable(error.message + status);
  }

  #closed(reason: string): void {
    this.#update({ state: 'closed' });
    this.#options.listener.closed(reason);
  }

  #update(change: Partial<Status>): void {
    this.#status = { ...this.#status, ...change };
    this.#options.listener.statusChanged(this.#status);
  }
}
