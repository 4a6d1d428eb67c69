/**
 * Server-sent events at `/stream`: for browsers' `EventSource` and for scripts with curl.
 *
 * A valid request is answered with 200 whatever happens next, because any other status ends an EventSource permanently.
 * The first `position` event says what could not be resumed. `stream-refusal.ts` refuses requests.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { parseCursor } from '@axiom-streaming/protocol/cursor';
import type { Topic } from '@axiom-streaming/protocol/topic';
import type { ClientConnection } from '../../auth/client-connections.js';
import type { Gate } from '../../auth/gate.js';
import { HubError } from '../../errors.js';
import { type Principal, requireRead } from '../../hub/access.js';
import type { Subscriber } from '../../hub/delivery/subscriber.js';
import type { Hub } from '../../hub/hub.js';
import { checkConflatable, requestedConflation } from '../../hub/operations/conflation-rules.js';
import { parseRequest } from '../../hub/operations/fields.js';
import { subscribe, subscribeRequest } from '../../hub/operations/subscribe.js';
import type { Logger } from '../../logger.js';
import type { Admission } from '../admission.js';
import { lifelineOf } from '../lifeline.js';
import { welcomeInfo } from '../welcome.js';
import { allowHalfOpen, detachFromHttp, whenHalfClosed } from './detach-from-http.js';
import { SseSink } from './sse-sink.js';
import { EVENT_STREAM_HEADERS } from './stream-headers.js';
import { refuseStream } from './stream-refusal.js';
import { readBody, readQuery, readStored, type StreamRequest } from './stream-request.js';
import { SUBSCRIPTION_LASTS_MS, type Subscriptions } from './subscriptions.js';

/** A comment line keeps proxies from closing a quiet stream as dead. */
const COMMENT_EVERY_MS = 15_000;
/**
 * The first probes of a half-closed client: one to be answered, one to notice a near client gone, one for a far one.
 */
const PROBES_AFTER_MS = [0, 100, 1_000];

export interface SseOptions {
  readonly hub: Hub;
  readonly gate: Gate;
  readonly admission: Admission;
  /** Most topics of one stream. */
  readonly maxTopics: number;
  readonly node: string;
  readonly logger: Logger;
  readonly subscriptions: Subscriptions;
  /** Write messages on the TCP sockets themselves. */
  readonly direct: boolean;
}

export class SseTransport {
  readonly #options: SseOptions;
  readonly #streams = new Map<SseSink, Subscriber>();
  readonly #comments: NodeJS.Timeout;

  constructor(options: SseOptions) {
    this.#options = options;
    this.#comments = setInterval(() => {
      for (const sink of this.#streams.keys()) sink.comment();
    }, COMMENT_EVERY_MS);
    this.#comments.unref();
  }

  get connections(): number {
    return this.#streams.size;
  }

  /**
   * Serves one stream.
   *
   * @param query `topics` (comma-separated, or repeated), `rewind`, `conflate` with `maxRate`, or instead of them
   *   `subscription`; `since` or `lastEventId`, `ticket`
   * @param body of a POST: a request of `subscribe`, instead of the query
   * @throws HubError before anything is written, for topics that cannot be subscribed to, and as the gate and the
   *   admission do; to be answered by {@link refuse}
   */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    query: URLSearchParams,
    body?: unknown,
  ): Promise<void> {
    const { admission } = this.#options;
    const refuseHalfOpen = allowHalfOpen(response);
    try {
      const { wanted, topics, address } = await this.#admit(request, query, body);
      const credentials = { token: this.#tokenOf(request, wanted), ticket: wanted.ticket };
      const lifeline = lifelineOf(request.socket, ({ destroyed }) => destroyed);
      const client = await admission.open('sse', address, credentials, lifeline, (principal) =>
        requireReadAll(principal, topics),
      );
      await this.#begin(request, response, wanted, client);
    } catch (error) {
      refuseHalfOpen();
      throw error;
    }
  }

  /**
   * Answers as {@link serve} would, without a stream. A ticket is not redeemed, because that would use it up.
   *
   * @throws HubError as {@link serve}
   */
  async head(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): Promise<void> {
    const { gate } = this.#options;
    const { wanted, topics, address } = await this.#admit(request, query);
    const token = this.#tokenOf(request, wanted);
    if (token !== undefined || wanted.ticket === undefined)
      requireReadAll(await gate.identify(token, address), topics);
    response.writeHead(200, EVENT_STREAM_HEADERS).end();
  }

  /**
   * Keeps what a stream is to be asked for under a short id. Whether somebody may read the topics is checked for each
   * stream.
   *
   * @param owner whom it counts for: a subject or an address
   * @param body a request of `subscribe`
   * @throws HubError as {@link serve}
   */
  async createSubscription(owner: string, body: unknown): Promise<{ id: string; expiresInMs: number }> {
    const wanted = parseRequest(subscribeRequest, body);
    this.#topicsOf(wanted);
    const id = await this.#options.subscriptions.create(owner, JSON.stringify(wanted));
    return { id, expiresInMs: SUBSCRIPTION_LASTS_MS };
  }

  /** Answers a request that {@link serve} refused. */
  refuse(request: IncomingMessage, response: ServerResponse, error: HubError): void {
    refuseStream(request, response, error);
  }

  close(): void {
    clearInterval(this.#comments);
    this.#options.subscriptions.close();
    for (const subscriber of this.#streams.values()) subscriber.close(CLOSE.drain);
  }

  async #admit(request: IncomingMessage, query: URLSearchParams, body?: unknown) {
    const { admission, subscriptions } = this.#options;
    const id = query.get('subscription');
    if (id === null || body !== undefined) {
      const wanted = body === undefined ? readQuery(request, query) : readBody(request, query, body);
      return { wanted, topics: this.#topicsOf(wanted), address: await admission.admit(request) };
    }
    const address = await admission.admit(request);
    const wanted = readStored(request, query, { id, text: await subscriptions.find(id) });
    return { wanted, topics: this.#topicsOf(wanted), address };
  }

  /** @throws HubError for topics that cannot be subscribed to */
  #topicsOf(wanted: StreamRequest): Topic[] {
    const { hub, maxTopics } = this.#options;
    const topics = wanted.topics.map((topic, i) => hub.topic(topic, `topics[${i}]`));
    checkConflatable(hub, topics, requestedConflation(wanted));
    if (topics.length > Math.min(maxTopics, hub.limits.topicsPerConnection)) {
      throw new HubError(
        'too_many_topics',
        `topics: an event stream has at most ${Math.min(maxTopics, hub.limits.topicsPerConnection)}`,
        {
          field: 'topics',
        },
      );
    }
    return topics;
  }

  #tokenOf(request: IncomingMessage, { ticket }: StreamRequest): string | undefined {
    const { gate } = this.#options;
    return gate.bearer(request) ?? (ticket === undefined ? gate.cookie(request) : undefined);
  }

  async #begin(
    request: IncomingMessage,
    response: ServerResponse,
    wanted: StreamRequest,
    client: ClientConnection,
  ): Promise<void> {
    const { hub, direct } = this.#options;
    const chunked = request.httpVersion !== '1.0';
    for (const [name, value] of Object.entries(EVENT_STREAM_HEADERS)) response.setHeader(name, value);
    if (chunked) response.setHeader('Transfer-Encoding', 'chunked');
    const socket = await detachFromHttp(response);
    if (socket === undefined) {
      client.close();
      return;
    }
    const sink = new SseSink(socket, { direct, chunked });
    const subscriber = hub.attach(randomUUID(), sink, client);
    client.bind(subscriber);
    this.#streams.set(sink, subscriber);
    const { subscription } = wanted;
    const release = subscription && this.#options.subscriptions.hold(subscription.id, subscription.text);
    socket.on('close', () => {
      release?.();
      client.close();
      this.#streams.delete(sink);
      hub.detach(subscriber);
    });
    whenHalfClosed(socket, () => probe(sink));
    await this.#subscribe(subscriber, sink, wanted);
  }

  async #subscribe(
    subscriber: Subscriber,
    sink: SseSink,
    { since, ticket: _ticket, subscription: _subscription, ...rest }: StreamRequest,
  ): Promise<void> {
    const { hub, node, logger } = this.#options;
    const badCursor = since !== undefined && parseCursor(since) === undefined;
    try {
      await subscribe(
        hub,
        subscriber,
        { ...rest, ...(badCursor || since === undefined ? {} : { since, rewind: undefined }) },
        {
          onPlanned: ({ topics, cursor }) => {
            const refused = badCursor ? ({ recovered: false, reason: 'bad_cursor' } as const) : {};
            sink.event(
              'position',
              { ...welcomeInfo(hub, node, subscriber), ...refused, topics, cursor },
              cursor,
            );
          },
        },
      );
    } catch (error) {
      logger.error({ connection: subscriber.id, error: String(error) }, 'sse: a stream could not be set up');
      subscriber.close(CLOSE.setUpFailed);
    }
  }
}

function requireReadAll(principal: Principal, topics: readonly Topic[]): void {
  for (const [i, topic] of topics.entries()) requireRead(principal, topic, `topics[${i}]`);
}

/**
 * A client that has closed its half may still be reading, or may be gone; only the kernel of its machine knows. If the
 * client is gone, the kernel answers data with a reset, which the next write notices.
 */
function probe(sink: SseSink): void {
  for (const afterMs of PROBES_AFTER_MS) setTimeout(() => sink.comment(), afterMs).unref();
}
