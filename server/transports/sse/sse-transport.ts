/**
 * Server-sent events at `GET /stream`: for browsers' `EventSource` and for scripts with curl.
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
import { subscribe } from '../../hub/operations/subscribe.js';
import { tooManyTopics } from '../../hub/operations/subscriptions.js';
import type { Logger } from '../../logger.js';
import type { Admission } from '../admission.js';
import { welcomeInfo } from '../welcome.js';
import { allowHalfOpen, detachFromHttp, whenHalfClosed } from './detach-from-http.js';
import { SseSink } from './sse-sink.js';
import { EVENT_STREAM_HEADERS } from './stream-headers.js';
import { refuseStream } from './stream-refusal.js';
import { readQuery, type StreamRequest } from './stream-request.js';

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
  /** Most topics in one URL. */
  readonly maxTopics: number;
  readonly node: string;
  readonly logger: Logger;
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
   * Serves one stream. Query: `topics` (comma-separated, or repeated), `since` or `lastEventId`, `rewind`, `conflate`
   * with `maxRate`, `ticket`.
   *
   * @throws HubError before anything is written, for topics that cannot be subscribed to, and as the gate and the
   *   admission do; to be answered by {@link refuse}
   */
  async serve(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): Promise<void> {
    const { admission } = this.#options;
    const refuseHalfOpen = allowHalfOpen(response);
    try {
      const wanted = readQuery(request, query);
      const topics = this.#topicsOf(wanted);
      const address = await admission.admit(request);
      const credentials = { token: this.#tokenOf(request, wanted), ticket: wanted.ticket };
      const client = await admission.open('sse', address, credentials, (principal) =>
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
    const { admission, gate } = this.#options;
    const wanted = readQuery(request, query);
    const topics = this.#topicsOf(wanted);
    const address = await admission.admit(request);
    const token = this.#tokenOf(request, wanted);
    if (token !== undefined || wanted.ticket === undefined)
      requireReadAll(await gate.identify(token, address), topics);
    response.writeHead(200, EVENT_STREAM_HEADERS).end();
  }

  /** Answers a request that {@link serve} refused. */
  refuse(request: IncomingMessage, response: ServerResponse, error: HubError): void {
    refuseStream(request, response, error);
  }

  close(): void {
    clearInterval(this.#comments);
    for (const subscriber of this.#streams.values()) subscriber.close(CLOSE.drain);
  }

  /** @throws HubError for topics that cannot be subscribed to */
  #topicsOf(wanted: StreamRequest): Topic[] {
    const { hub, maxTopics } = this.#options;
    const topics = wanted.topics.map((topic, i) => hub.topic(topic, `topics[${i}]`));
    checkConflatable(hub, topics, requestedConflation(wanted));
    if (topics.length > hub.limits.topicsPerConnection) throw tooManyTopics(hub);
    if (topics.length > maxTopics) {
      throw new HubError('too_many_topics', `topics: an event stream has at most ${maxTopics}`, {
        field: 'topics',
      });
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
    socket.on('close', () => {
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
    { since, ticket: _, ...rest }: StreamRequest,
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
