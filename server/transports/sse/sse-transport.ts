/**
 * Server-sent events at `GET /stream`: for browsers' `EventSource` and for scripts with curl.
 *
 * A valid request is answered with 200 whatever happens next, because any other status ends an EventSource for good.
 * The first `position` event says what could not be resumed. How a request is refused is in `stream-refusal.ts`.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { parseCursor } from '@axiom-streaming/protocol/cursor';
import type { Gate } from '../../auth/gate.js';
import { HubError } from '../../errors.js';
import { requireRead } from '../../hub/access.js';
import type { Subscriber } from '../../hub/delivery/subscriber.js';
import type { Hub } from '../../hub/hub.js';
import { checkConflatable, requestedConflation } from '../../hub/operations/conflation-rules.js';
import { parseRequest } from '../../hub/operations/fields.js';
import { subscribe, subscribeRequest } from '../../hub/operations/subscribe.js';
import { tooManyTopics } from '../../hub/operations/subscriptions.js';
import type { Logger } from '../../logger.js';
import type { Admission } from '../admission.js';
import { welcomeInfo } from '../welcome.js';
import { detachFromHttp } from './detach-from-http.js';
import { SseSink } from './sse-sink.js';
import { EVENT_STREAM_HEADERS } from './stream-headers.js';
import { refuseStream } from './stream-refusal.js';

/** A comment line keeps proxies from closing a quiet stream as dead. */
const COMMENT_EVERY_MS = 15_000;

export interface SseOptions {
  readonly hub: Hub;
  readonly gate: Gate;
  readonly admission: Admission;
  /** Most topics of one address. */
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
    const { hub, admission, node, logger, direct, gate, maxTopics } = this.#options;
    const { ticket, ...wanted } = readQuery(request, query);
    const topics = wanted.topics.map((topic, i) => hub.topic(topic, `topics[${i}]`));
    checkConflatable(hub, topics, requestedConflation(wanted));
    if (topics.length > hub.limits.topicsPerConnection) throw tooManyTopics(hub);
    if (topics.length > maxTopics) {
      throw new HubError('too_many_topics', `topics: an event stream has at most ${maxTopics}`, {
        field: 'topics',
      });
    }
    const address = await admission.admit(request);
    const token = gate.bearer(request) ?? (ticket === undefined ? gate.cookie(request) : undefined);
    const client = await admission.open('sse', address, { token, ticket }, (principal) => {
      for (const [i, topic] of topics.entries()) requireRead(principal, topic, `topics[${i}]`);
    });
    const badCursor = wanted.since !== undefined && parseCursor(wanted.since) === undefined;

    for (const [name, value] of Object.entries(EVENT_STREAM_HEADERS)) response.setHeader(name, value);
    const socket = await detachFromHttp(response);
    if (socket === undefined) {
      client.close();
      return;
    }
    const sink = new SseSink(socket, direct);
    const id = randomUUID();
    const subscriber = hub.attach(id, sink, client);
    client.bind(subscriber);
    this.#streams.set(sink, subscriber);
    socket.on('close', () => {
      client.close();
      this.#streams.delete(sink);
      hub.detach(subscriber);
    });
    sink.comment();
    try {
      const { since, ...rest } = wanted;
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
      logger.error({ connection: id, error: String(error) }, 'sse: a stream could not be set up');
      subscriber.close(CLOSE.setUpFailed);
    }
  }

  /** Answers a request that {@link serve} refused. */
  refuse(request: IncomingMessage, response: ServerResponse, error: HubError): void {
    refuseStream(request, response, error);
  }

  close(): void {
    clearInterval(this.#comments);
    for (const subscriber of this.#streams.values()) subscriber.close(CLOSE.drain);
  }
}

function readQuery(request: IncomingMessage, query: URLSearchParams) {
  const header = request.headers['last-event-id'];
  // The header that a browser adds when it reconnects is newer than the URL, which does not change.
  const since =
    (typeof header === 'string' && header) || query.get('lastEventId') || query.get('since') || undefined;
  const topics = query.getAll('topics').flatMap((list) => list.split(',').filter((topic) => topic !== ''));
  if (topics.length === 0) {
    throw new HubError('bad_request', 'topics: is missing; for example /stream?topics=market:AAPL,news:*', {
      field: 'topics',
    });
  }
  const known = new Set(['topics', 'since', 'lastEventId', 'rewind', 'conflate', 'maxRate', 'ticket']);
  for (const name of query.keys()) {
    if (!known.has(name))
      throw new HubError('bad_request', `${name}: is not a parameter of /stream`, { field: name });
  }
  const number = (name: string) => (query.has(name) ? Number(query.get(name)) : undefined);
  const { since: _, ...rest } = parseRequest(subscribeRequest, {
    topics,
    rewind: number('rewind'),
    conflate: query.get('conflate') ?? undefined,
    maxRate: number('maxRate'),
  });
  return { ...rest, since, ticket: query.get('ticket') ?? undefined };
}
