/**
 * The client library: `connect`, `subscribe`, `publish`, `history`, for browsers and Node.js.
 *
 * It keeps a cursor for each subscription. When a connection is lost it opens another one, if necessary over another
 * transport, and subscribes from these cursors; so recovery is the same on all transports, and survives a change of
 * transport. The event `gap` reports what could not be recovered, `recovered` what was.
 */
import type { EventFrame } from '@axiom-streaming/protocol/frames';
import type { OperationName, Requests } from '@axiom-streaming/protocol/requests';
import { Attempts } from './attempts.js';
import { Emitter } from './emitter.js';
import { gapsOf } from './gaps.js';
import { HubError, toHubError } from './hub-error.js';
import type { Link, LinkAnswers, LinkListener, LinkOptions, Scope } from './link.js';
import { type OnMessage, Reading } from './reading.js';
import { CatchUp } from './recovery.js';
import { openSocketIo } from './socketio-link.js';
import { openSse } from './sse-link.js';
import { Subscriptions } from './subscriptions.js';
import { askToken } from './tokens.js';
import type {
  ClientEvents,
  ConnectOptions,
  DataOf,
  History,
  Published,
  Status,
  SubscribeOptions,
  Subscription,
  Transport,
} from './types.js';
import { Waiting } from './waiting.js';
import { openWebSocket } from './websocket-link.js';

export { HubError, mayPass } from './hub-error.js';
export type * from './types.js';

/** In the order in which `auto` tries them. */
const OPEN: Readonly<Record<Transport, (options: LinkOptions) => Promise<Link>>> = {
  socketio: openSocketIo,
  websocket: openWebSocket,
  sse: openSse,
};
/** Codes and close reasons after which another token may help. */
const TOKEN_REFUSED = /^token(?!_un)/;
/** Longest wait that the hub may ask for, ms: a ban may end earlier than was said. */
const MAX_RETRY_AFTER_MS = 300_000;

/** Connects to a hub, and retries until it succeeds. `Streams` has the types of the data by stream name. */
export function connect<Streams = Record<string, unknown>>(options: ConnectOptions = {}): HubClient<Streams> {
  return new HubClient<Streams>(options);
}

export class HubClient<Streams = Record<string, unknown>> {
  readonly #options: ConnectOptions;
  readonly #url: string;
  readonly #attempts: Attempts;
  readonly #events = new Emitter<ClientEvents>();
  readonly #waiting = new Waiting();
  readonly #subscriptions = new Subscriptions({
    gap: (gap) => this.#events.emit('gap', gap),
    acknowledged: (verdicts) => this.#catchUp.acknowledged(verdicts),
    tokenRefused: (error) => {
      const again = TOKEN_REFUSED.test(error.code) && this.#renews;
      if (again) this.#closed(this.#generation, error);
      return again;
    },
  });
  readonly #catchUp = new CatchUp((came) => {
    this.#update({ state: 'connected' });
    const { node = '' } = this.#status;
    this.#events.emit('recovered', {
      ...came,
      recovered: gapsOf(came.topics).length === 0,
      transport: this.#attempts.transport,
      node,
    });
  });
  #link: Link | undefined;
  /** Counts links, so that late events of an older one are ignored. */
  #generation = 0;
  #draining = false;
  /** The token of the connection. */
  #token: string | undefined;
  /** The generation for which a token is being asked for because its own is about to end. */
  #renewing = 0;
  /** New tokens that were refused in a row. */
  #refusals = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #status: Status = { state: 'connecting', since: Date.now(), attempt: 0 };

  constructor(options: ConnectOptions) {
    const { url = globalThis.location?.origin, transport = 'auto' } = options;
    if (url === undefined) throw new TypeError('url: is missing');
    this.#options = options;
    this.#url = url.replace(/\/+$/, '');
    const order = transport === 'auto' ? (Object.keys(OPEN) as Transport[]) : [transport].flat();
    for (const name of order) if (!(name in OPEN)) throw new TypeError(`transport: there is no "${name}"`);
    this.#attempts = new Attempts(order, options.maxBackoffMs ?? 10_000);
    this.#open();
  }

  get status(): Status {
    return this.#status;
  }

  /**
   * Resolves when there is a connection: at once, or when the next one is open. Read it again after a loss, because
   * each promise settles once. Rejects with a {@link HubError} when the client is closed, for instance because its
   * token was refused, and while the hub refuses it (state `refused`), although it goes on trying.
   */
  get ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#whenUp(() => resolve(), reject, 0);
    });
  }

  /** Whether another token can be asked for. */
  get #renews(): boolean {
    return typeof this.#options.token === 'function';
  }

  get #up(): boolean {
    return /^(connected|recovering)$/.test(this.#status.state);
  }

  get #isClosed(): boolean {
    return this.#status.state === 'closed';
  }

  /** Why there is no connection. */
  get #whyNot(): HubError {
    const { error } = this.#status;
    return error ?? new HubError(this.#isClosed ? 'closed' : 'unreachable', `${this.#url}: no connection`);
  }

  /** Listens to an event. @returns a function that stops listening. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /**
   * Reads topics, with a callback or as an async iterable. Subscriptions made in the same turn of the event loop with
   * the same options are one request; over SSE each request is a connection, of which browsers allow six per host.
   */
  subscribe<const Topic extends string, Data = DataOf<Streams, Topic>>(
    topics: Topic | readonly Topic[],
    ...rest: [options?: SubscribeOptions, onMessage?: OnMessage<Data>] | [onMessage: OnMessage<Data>]
  ): Subscription<Data> {
    const [first, second] = rest;
    const [options, onMessage] = typeof first === 'function' ? [{}, first] : [first ?? {}, second];
    const reading = new Reading<Data>([topics].flat(), options, onMessage, (ended) =>
      this.#subscriptions.release(ended),
    );
    if (this.#isClosed) reading.close(this.#whyNot);
    else this.#subscriptions.add(reading);
    return reading;
  }

  /**
   * Publishes one message. Without a connection it waits for one, see `connectionWaitMs`.
   *
   * @throws HubError the hub's refusal, or the reason why there is no connection, in which case nothing was sent.
   *   `unreachable` or `timeout` after the connection was lost before the answer: it is unknown whether the message was
   *   published, so repeat it with the same `id`.
   */
  async publish(topic: string, data: unknown, { id }: { readonly id?: string } = {}): Promise<Published> {
    return this.#request('publish', { topic, data, id });
  }

  /** Reads past messages. Without a connection it waits for one, see `connectionWaitMs`. @throws HubError */
  async history<const Topic extends string, Data = DataOf<Streams, Topic>>(
    topic: Topic,
    options: { readonly since?: string; readonly limit?: number } = {},
  ): Promise<History<Data>> {
    // The caller knows the type of a topic's data.
    return (await this.#request('history', { topic, ...options })) as History<Data>;
  }

  /**
   * Asks for a new token and gives it to the hub without losing the connection (SSE: with a resumed one). Nothing
   * happens if it is the one in use.
   *
   * @param againMs asks again after this time while there is no other token, and twice as long after that
   */
  async refreshToken(againMs?: number): Promise<void> {
    const generation = this.#generation;
    const token = await askToken(this.#options.token).catch(() => undefined);
    const link = this.#link;
    if (generation !== this.#generation || link === undefined) return;
    if (token === undefined || token === this.#token) {
      // While there is a connection nothing else needs the timer.
      if (againMs) this.#timer = setTimeout(() => this.refreshToken(againMs * 2), againMs);
      return;
    }
    this.#renewing = 0;
    this.#token = token;
    if (link.release) {
      this.#closed(generation, 'a new token', false, token);
    } else {
      link.request('auth', { token }, (ack) => {
        if (!ack.ok && ack.error.code !== 'unsupported') this.#closed(generation, ack.error);
      });
    }
  }

  /** Closes the client and all its subscriptions. */
  close(error?: HubError): void {
    this.#leave();
    this.#subscriptions.close(error);
    this.#update({ state: 'closed', error });
    this.#waiting.pass();
  }

  /** @param next its token, if it has been asked for already */
  #open(next?: string): void {
    const generation = ++this.#generation;
    const { transport } = this.#attempts;
    const listener: LinkListener = {
      event: (frame, scope) => {
        if (generation === this.#generation) this.#take(frame, scope);
      },
      node: (node) => {
        if (generation === this.#generation) this.#update({ node });
      },
      closed: (error, final) => this.#closed(generation, error, final),
    };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => listener.closed(new HubError('timeout', `${this.#url}: no answer`)),
      this.#options.connectTimeoutMs ?? 8_000,
    );
    Promise.resolve(next ?? askToken(this.#options.token))
      .then((token) => {
        this.#token = token;
        return OPEN[transport]({ url: this.#url, token, listener });
      })
      .then((link) => {
        if (generation === this.#generation) this.#link = link;
        else link.close();
      })
      .catch(listener.closed);
  }

  #take(frame: EventFrame, scope: Scope | undefined): void {
    switch (frame.op) {
      case 'message': {
        const { message, cursor } = frame;
        this.#catchUp.message(message.time, this.#subscriptions.message(message, cursor, scope));
        break;
      }
      case 'position':
        this.#subscriptions.position(frame.cursor, scope);
        this.#catchUp.position();
        break;
      case 'gap':
        this.#subscriptions.gap(frame, scope?.readings);
        break;
      case 'expiring':
        // With SSE each stream is told.
        if (this.#renewing !== this.#generation) {
          this.#renewing = this.#generation;
          void this.refreshToken(frame.expiresInMs / 4);
        }
        break;
      case 'welcome':
        this.#welcomed(frame.node);
        this.#events.emit('welcome', frame);
        break;
      case 'degraded':
        this.#events.emit('degraded', frame);
        break;
      case 'drain':
        this.#draining = true;
        this.#events.emit('drain', frame);
    }
  }

  #welcomed(node: string): void {
    clearTimeout(this.#timer);
    const link = this.#link;
    if (link === undefined) return;
    this.#attempts.succeeded();
    this.#draining = false;
    const resuming = this.#subscriptions.resuming;
    const { via } = link;
    this.#status = {
      state: 'connected',
      since: Date.now(),
      attempt: 0,
      transport: this.#attempts.transport,
      ...(node && { node }),
      ...(via && { via }),
    };
    this.#catchUp.back(resuming);
    this.#subscriptions.attach(link);
    // Before anything that a listener sends now, because it was requested earlier.
    this.#waiting.pass(link);
    this.#update({ state: resuming > 0 ? 'recovering' : 'connected' });
  }

  #closed(generation: number, thrown: unknown, final?: boolean, next?: string): void {
    if (generation !== this.#generation) return;
    const error = toHubError(thrown, this.#url);
    const wasUp = this.#up;
    if (wasUp) this.#catchUp.lost();
    this.#leave();
    const tokenRefused = TOKEN_REFUSED.test(error.code);
    if (tokenRefused ? !this.#renews : final) {
      this.close(error);
      return;
    }
    const pauseMs = wasUp
      ? this.#attempts.afterLoss(this.#draining)
      : this.#attempts.afterFailure(!/^(token|banned)/.test(error.code));
    // What the hub asks for, and up to a fifth more: those who were refused together do not come back together.
    const askedMs = Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS) * (1 + Math.random() / 5);
    this.#timer = setTimeout(() => this.#open(next), Math.max(pauseMs, askedMs || 0));
    this.#refusals = tokenRefused && !wasUp ? this.#refusals + 1 : 0;
    const refused = error.code === 'banned' || this.#refusals > 1;
    const waiting = this.#catchUp.isAway ? 'reconnecting' : 'connecting';
    this.#tell({
      state: refused ? 'refused' : waiting,
      since: Date.now(),
      attempt: this.#status.attempt + 1,
      error,
    });
    if (refused) this.#waiting.pass();
  }

  #leave(): void {
    this.#generation += 1;
    this.#subscriptions.detach();
    this.#catchUp.stop();
    clearTimeout(this.#timer);
    this.#link?.close();
    this.#link = undefined;
  }

  #request<Name extends OperationName>(operation: Name, body: Requests[Name]): Promise<LinkAnswers[Name]> {
    return new Promise((resolve, reject) => {
      const send = (link: Link) =>
        link.request(operation, body, (ack) => (ack.ok ? resolve(ack) : reject(ack.error)));
      this.#whenUp(send, reject, body, this.#options.connectionWaitMs ?? 10_000);
    });
  }

  /** Passes on the connection: at once, or when there is one. */
  #whenUp(
    use: (link: Link) => void,
    refuse: (error: HubError) => void,
    body: unknown,
    waitMs?: number,
  ): void {
    const pass = (link?: Link) => (link ? use(link) : refuse(this.#whyNot));
    if (this.#up || /^(closed|refused)$/.test(this.#status.state)) pass(this.#link);
    else if (!this.#waiting.add(pass, body, waitMs)) refuse(new HubError('overloaded', 'too much waits'));
  }

  #update(change: Partial<Status>): void {
    this.#tell({ ...this.#status, ...change });
  }

  #tell(status: Status): void {
    this.#status = status;
    this.#events.emit('status', status);
  }
}
