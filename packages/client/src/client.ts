/**
 * The client library: `connect`, `subscribe`, `publish`, `history`, for browsers and Node.js.
 *
 * It keeps a cursor for each subscription. When a connection is lost it makes another, over another transport where it
 * must, and subscribes from these cursors; so recovery is the same on all transports, and survives a change of them.
 * What could not be recovered is told by `gap`, what was by `recovered`.
 */
import { Attempts } from './attempts.js';
import { gapsOf } from './gaps.js';
import { HubError, mayPass } from './hub-error.js';
import type { Ack, Link, LinkListener, LinkOptions, Scope } from './link.js';
import { guarded, type OnMessage, type Place, Reading } from './reading.js';
import { CatchingUp } from './recovery.js';
import { openSocketIo } from './socketio-link.js';
import { openSse } from './sse-link.js';
import type {
  ClientEvents,
  ConnectOptions,
  DataOf,
  Gap,
  History,
  HubMessage,
  Published,
  Status,
  Subscribed,
  SubscribeOptions,
  Subscription,
  Transport,
} from './types.js';
import { openWebSocket } from './websocket-link.js';

export { HubError, mayPass } from './hub-error.js';
export type * from './types.js';

const OPEN: Readonly<Record<Transport, (options: LinkOptions) => Promise<Link>>> = {
  socketio: openSocketIo,
  websocket: openWebSocket,
  sse: openSse,
};
/** A subscription that the hub could not take for the moment is asked for again after so long, and up to twice that. */
const RETRY_MS = 1_000;
/** Codes and close reasons after which another token may do. */
const TOKEN_REFUSED = /^token/;

/** Connects to a hub, at once and for as long as it takes. `Streams` gives the data of its streams by name. */
export function connect<Streams = Record<string, unknown>>(options: ConnectOptions = {}): HubClient<Streams> {
  return new HubClient<Streams>(options);
}

export class HubClient<Streams = Record<string, unknown>> {
  readonly #options: ConnectOptions;
  readonly #url: string;
  readonly #attempts: Attempts;
  readonly #listeners = new Map<keyof ClientEvents, Set<(value: never) => void>>();
  readonly #readings = new Set<Reading>();
  readonly #readersOf = new Map<string, Set<Reading>>();
  /** Those that the present link serves. */
  readonly #served = new Set<Reading>();
  #toBegin: Reading[] = [];
  #link: Link | undefined;
  /** Where the present link is, unless its requests have cursors of their own. */
  #place: Place = { cursor: undefined };
  /** Counts links: what an older one still says is not listened to. */
  #generation = 0;
  #lostAt: number | undefined;
  #missed = 0;
  #draining = false;
  #catchingUp: CatchingUp | undefined;
  /** Least difference ever seen between a message's arrival and its time: both clocks' and the shortest way. NaN: none yet. */
  #clockAheadMs = Number.NaN;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #status: Status = { state: 'connecting', since: Date.now(), attempt: 0 };

  constructor(options: ConnectOptions) {
    const page = globalThis as { readonly location?: { readonly origin: string } };
    const { url = page.location?.origin, transport = 'auto' } = options;
    if (url === undefined) throw new TypeError('url: is missing');
    this.#options = options;
    this.#url = url.replace(/\/+$/, '');
    const order = typeof transport === 'string' ? [transport] : transport;
    const names = order.flatMap((name) => (name === 'auto' ? (Object.keys(OPEN) as Transport[]) : [name]));
    for (const name of names) if (!(name in OPEN)) throw new TypeError(`transport: there is no "${name}"`);
    this.#attempts = new Attempts(names, options.maxBackoffMs ?? 10_000);
    this.#open();
  }

  get status(): Status {
    return this.#status;
  }

  get #up(): boolean {
    return /^(connected|recovering)$/.test(this.#status.state);
  }

  /** Listens to an event. @returns what ends it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /**
   * Reads topics, with a callback or as an async iterable. What is subscribed to in one turn with the same options is
   * one request; over SSE each request is a connection, of which browsers allow six to a host.
   */
  subscribe<const Topic extends string, Data = DataOf<Streams, Topic>>(
    topics: Topic | readonly Topic[],
    ...rest: [options?: SubscribeOptions, onMessage?: OnMessage<Data>] | [onMessage: OnMessage<Data>]
  ): Subscription<Data> {
    const [first, second] = rest;
    const [options, onMessage] = typeof first === 'function' ? [{}, first] : [first ?? {}, second];
    const names = typeof topics === 'string' ? [topics] : topics;
    const reading = new Reading<Data>(names, options, onMessage, (ended) => this.#release(ended)) as Reading;
    if (this.#status.state === 'closed') reading.close(new HubError('closed', 'the client is closed'));
    else {
      this.#readings.add(reading);
      for (const topic of reading.topics) {
        const readers = this.#readersOf.get(topic) ?? new Set();
        this.#readersOf.set(topic, readers.add(reading));
      }
      if (this.#toBegin.push(reading) === 1) queueMicrotask(() => this.#begin());
    }
    return reading as Subscription as Subscription<Data>;
  }

  /** Publishes one message. @throws HubError also where there is no connection: nothing is kept for later. */
  async publish(topic: string, data: unknown, { id }: { readonly id?: string } = {}): Promise<Published> {
    return (await this.#request('publish', { topic, data, id })) as unknown as Published;
  }

  /** Reads what is over. @throws HubError */
  async history<const Topic extends string, Data = DataOf<Streams, Topic>>(
    topic: Topic,
    options: { readonly since?: string; readonly limit?: number } = {},
  ): Promise<History<Data>> {
    return (await this.#request('history', { topic, ...options })) as unknown as History<Data>;
  }

  /** Asks for a new token and gives it to the hub without losing the connection (SSE: with a resumed one). */
  async refreshToken(): Promise<void> {
    const generation = this.#generation;
    const token = await this.#token().catch(() => undefined);
    if (token === undefined || generation !== this.#generation) return;
    const link = this.#link;
    if (link?.cursorPerRequest) this.#closed(generation, new HubError('unreachable', 'a new token'));
    else {
      link?.request('auth', { token }, ({ error }) => {
        if (error !== undefined && error.code !== 'unsupported') this.#closed(generation, error);
      });
    }
  }

  async #token(): Promise<string | undefined> {
    const { token } = this.#options;
    return typeof token === 'function' ? token() : token;
  }

  /** Ends it, with all its subscriptions. */
  close(error?: HubError): void {
    this.#leave();
    for (const reading of this.#readings) reading.close(error);
    this.#update({ state: 'closed', ...(error && { error }) });
  }

  #open(): void {
    const generation = ++this.#generation;
    const { transport } = this.#attempts;
    const failed = (error: unknown) =>
      this.#closed(generation, error instanceof HubError ? error : new HubError('unreachable', `${error}`));
    const timedOut = new HubError('timeout', 'no answer');
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => failed(timedOut), this.#options.connectTimeoutMs ?? 8_000);
    const listener = this.#listen(generation);
    this.#token()
      .then((token) => OPEN[transport]({ url: this.#url, token, listener }))
      .then((link) => {
        if (generation === this.#generation) this.#link = link;
        else link.close();
      })
      .catch(failed);
  }

  #listen(generation: number): LinkListener {
    const current =
      <Arguments extends unknown[]>(run: (...values: Arguments) => void) =>
      (...values: Arguments) => {
        if (generation === this.#generation) run(...values);
      };
    return {
      welcome: current((info) => {
        this.#welcomed(info.node);
        this.#emit('welcome', info);
      }),
      node: current((node) => this.#update({ node })),
      message: current((message, cursor, scope) => {
        const difference = Date.now() - message.time;
        if (!(difference >= this.#clockAheadMs)) this.#clockAheadMs = difference;
        (scope?.place ?? this.#place).cursor = cursor;
        const { topic } = message;
        const ofKey = this.#deliver(topic, message, cursor, scope);
        const ofAll = this.#deliver(`${topic.slice(0, topic.indexOf(':'))}:*`, message, cursor, scope);
        if (ofKey || ofAll) this.#catchingUp?.message(message.time);
      }),
      position: current((cursor, scope) => {
        (scope?.place ?? this.#place).cursor = cursor;
        this.#catchingUp?.position();
      }),
      gap: current((gap, scope) => this.#gap(gap, scope?.readings ?? this.#served)),
      degraded: current((info) => this.#emit('degraded', info)),
      expiring: current(() => void this.refreshToken()),
      drain: current((info) => {
        this.#draining = true;
        this.#emit('drain', info);
      }),
      closed: (error, final) => this.#closed(generation, error, final),
    };
  }

  /** @returns true where a reading had not had the message yet. One that reads key and stream has it once. */
  #deliver(name: string, message: HubMessage, cursor: string, scope: Scope | undefined): boolean {
    let isNew = false;
    const readings = scope?.readings ?? this.#served;
    for (const reading of this.#readersOf.get(name) ?? []) {
      if (readings.has(reading)) isNew = reading.take(message, cursor) || isNew;
    }
    return isNew;
  }

  #welcomed(node: string): void {
    clearTimeout(this.#timer);
    const link = this.#link;
    if (link === undefined) return;
    this.#attempts.succeeded();
    this.#draining = false;
    this.#toBegin = [];
    this.#place = { cursor: undefined };
    const resumes = [...this.#readings].some(({ begun }) => begun);
    if (!resumes) this.#lostAt = undefined;
    const { transport, via } = link;
    this.#status = {
      state: 'connected',
      since: Date.now(),
      attempt: 0,
      transport,
      ...(node && { node }),
      ...(via && { via }),
    };
    if (resumes) this.#catchUp(groups([...this.#readings]).length, transport);
    this.#update({ state: resumes ? 'recovering' : 'connected' });
    this.#subscribe([...this.#readings]);
  }

  #catchUp(requests: number, transport: Transport): void {
    const now = Date.now();
    const awayMs = now - (this.#lostAt ?? now);
    const missedBefore = now - this.#clockAheadMs;
    this.#catchingUp = new CatchingUp(
      { requests, missedBefore, already: this.#missed },
      ({ topics, missed }) => {
        this.#catchingUp = undefined;
        this.#lostAt = undefined;
        this.#missed = 0;
        this.#update({ state: 'connected' });
        const recovered = gapsOf(topics).length === 0;
        this.#emit('recovered', {
          recovered,
          topics,
          missed,
          awayMs,
          transport,
          node: this.#status.node ?? '',
        });
      },
    );
  }

  #begin(): void {
    const readings = this.#toBegin;
    this.#toBegin = [];
    if (this.#up) {
      this.#subscribe(readings.filter((reading) => this.#readings.has(reading)));
    }
  }

  #subscribe(readings: readonly Reading[]): void {
    for (const group of groups(readings)) {
      this.#subscribeGroup({ readings: new Set(group), place: { cursor: undefined } });
    }
  }

  #subscribeGroup(scope: Scope): void {
    const { readings } = scope;
    const [first] = readings;
    const link = this.#link;
    const generation = this.#generation;
    if (first === undefined || link === undefined) return;
    const topics = [...new Set([...readings].flatMap((reading) => reading.topics))];
    const done = (ack: Ack) => {
      if (generation !== this.#generation) return;
      for (const reading of readings) if (!this.#readings.has(reading)) readings.delete(reading);
      if (ack.ok) this.#subscribed(scope, topics, ack as unknown as Subscribed);
      else this.#refused(scope, ack.error!);
    };
    link.request('subscribe', { ...first.request(), topics }, done, scope);
  }

  #subscribed(scope: Scope, topics: readonly string[], answer: Subscribed): void {
    const place = this.#link?.cursorPerRequest ? scope.place : this.#place;
    place.cursor = answer.cursor;
    for (const reading of scope.readings) {
      reading.subscribed(answer, place);
      this.#served.add(reading);
    }
    // Some may have been closed meanwhile.
    const orphans = topics.filter((topic) => !this.#readersOf.has(topic));
    this.#unsubscribe(orphans);
    for (const gap of gapsOf(answer.topics)) this.#gap(gap, scope.readings);
    this.#catchingUp?.acknowledged(answer.topics);
  }

  #refused(scope: Scope, error: HubError): void {
    const { readings } = scope;
    if (TOKEN_REFUSED.test(error.code) && typeof this.#options.token === 'function') {
      this.#closed(this.#generation, error);
    } else if (error.code === 'bad_cursor') {
      for (const reading of readings) {
        reading.place = { cursor: undefined };
        for (const gap of gapsOf(
          reading.topics.map((topic) => ({ topic, recovered: false, reason: error.code })),
        ))
          this.#gap(gap, [reading]);
      }
      this.#subscribeGroup(scope);
    } else if (mayPass(error)) {
      const generation = this.#generation;
      const again = () => generation === this.#generation && this.#subscribeGroup(scope);
      setTimeout(again, RETRY_MS * (1 + Math.random()));
    } else {
      this.#catchingUp?.acknowledged([]);
      for (const reading of readings) reading.close(error);
    }
  }

  #release(reading: Reading): void {
    if (!this.#readings.delete(reading)) return;
    this.#served.delete(reading);
    const orphans = reading.topics.filter((topic) => {
      const readers = this.#readersOf.get(topic);
      readers?.delete(reading);
      return readers?.size === 0 && this.#readersOf.delete(topic);
    });
    if (this.#link?.release) this.#link.release(reading);
    else if (reading.begun) this.#unsubscribe(orphans);
  }

  #unsubscribe(topics: readonly string[]): void {
    if (this.#up && topics.length > 0 && !this.#link?.release) {
      this.#link?.request('unsubscribe', { topics }, () => undefined);
    }
  }

  #gap(gap: Gap, readings: Iterable<Reading>): void {
    for (const reading of readings) {
      if (reading.topics.some((topic) => topic.startsWith(`${gap.stream}:`))) reading.gap(gap);
    }
    this.#emit('gap', gap);
  }

  #closed(generation: number, error: HubError, final = false): void {
    if (generation !== this.#generation) return;
    const wasUp = this.#up;
    if (wasUp) this.#lostAt ??= Date.now();
    this.#leave();
    const tokenRefused = TOKEN_REFUSED.test(error.code);
    if (tokenRefused ? typeof this.#options.token !== 'function' : final) {
      this.close(error);
      return;
    }
    const { attempt } = this.#status;
    const pauseMs = wasUp
      ? this.#attempts.afterLoss(this.#draining)
      : this.#attempts.afterFailure(!tokenRefused);
    this.#status = {
      state: this.#lostAt === undefined ? 'connecting' : 'reconnecting',
      since: Date.now(),
      attempt,
    };
    this.#timer = setTimeout(() => this.#open(), pauseMs);
    this.#update({ attempt: attempt + 1, error });
  }

  #leave(): void {
    this.#generation += 1;
    this.#served.clear();
    // Cut off again: what has come of it counts when the rest has come.
    this.#missed = this.#catchingUp?.missed ?? this.#missed;
    this.#catchingUp?.stop();
    this.#catchingUp = undefined;
    clearTimeout(this.#timer);
    this.#link?.close();
    this.#link = undefined;
  }

  async #request(operation: string, body: object): Promise<Ack> {
    const link = this.#link;
    if (link === undefined || !this.#up) throw new HubError('unreachable', 'no connection');
    const ack = await new Promise<Ack>((resolve) => {
      link.request(operation, body, resolve);
    });
    if (ack.error !== undefined) throw ack.error;
    return ack;
  }

  #update(change: Partial<Status>): void {
    this.#status = { ...this.#status, ...change };
    this.#emit('status', this.#status);
  }

  #emit<Name extends keyof ClientEvents>(name: Name, value: ClientEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      guarded(() => (listener as (value: ClientEvents[Name]) => void)(value));
    }
  }
}

/** Those that one request can begin: they differ in nothing but topics. */
function groups(readings: readonly Reading[]): Reading[][] {
  const found = new Map<string, Reading[]>();
  for (const reading of readings) {
    const key = JSON.stringify(reading.request());
    found.set(key, [...(found.get(key) ?? []), reading]);
  }
  return [...found.values()];
}
