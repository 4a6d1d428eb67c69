/**
 * The requests that Socket.IO and plain WebSocket share. `docs/PROTOCOL.md` is their reference.
 */
import { z } from 'zod';
import { type ErrorCode, errorBody, HubError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import type { Subscriber } from '../delivery/subscriber.js';
import type { Hub } from '../hub.js';
import { visibleStreams } from '../streams.js';
import { READ_WAIT_MS } from '../tail/when-live.js';
import { HISTORY_MAX_LIMIT, readHistory } from './history.js';
import { dataText, type Publisher } from './publisher.js';
import { endDenied, type SubscribeResult, subscribe, unsubscribe } from './subscribe.js';

const MAX_CURSOR_LENGTH = 4096;

const topics = z.array(z.string()).min(1, 'names no topic');
const cursor = z.string().min(1).max(MAX_CURSOR_LENGTH);

/** Most messages per second and key that a conflated subscription may ask for. */
export const MAX_RATE = 1000;

/**
 * `since` and `rewind` exclude each other: one says where to go on, the other how far to look back. `conflate` and
 * `maxRate` belong together.
 */
export const subscribeRequest = z
  .strictObject({
    topics,
    since: cursor.optional(),
    rewind: z.number().int().min(1).max(10_000).optional(),
    conflate: z.enum(['latest', 'merge']).optional(),
    maxRate: z.number().positive().max(MAX_RATE).optional(),
  })
  .refine((request) => request.since === undefined || request.rewind === undefined, {
    path: ['rewind'],
    message: 'cannot be combined with since',
  })
  .refine((request) => request.conflate === undefined || request.maxRate !== undefined, {
    path: ['maxRate'],
    message: 'is missing; conflate needs it: messages per second and key',
  })
  .refine((request) => request.maxRate === undefined || request.conflate !== undefined, {
    path: ['conflate'],
    message: 'is missing; maxRate is the rate of a conflated subscription',
  });

export const unsubscribeRequest = z.strictObject({ topics });

/** The id of a publication, in a request or an `Idempotency-Key` header. */
export const publicationId = z.string().min(1).max(256);

export const publishRequest = z
  .strictObject({
    topic: z.string(),
    data: z.unknown(),
    id: publicationId.optional(),
    traceparent: z.string().max(256).optional(),
  })
  .refine((request) => request.data !== undefined, { path: ['data'], message: 'is missing' });

export const historyRequest = z.strictObject({
  topic: z.string(),
  since: cursor.optional(),
  limit: z.number().int().min(1).max(HISTORY_MAX_LIMIT).optional(),
});

export const authRequest = z.strictObject({ token: z.string().min(1) });

export type SubscribeRequest = z.infer<typeof subscribeRequest>;
export type UnsubscribeRequest = z.infer<typeof unsubscribeRequest>;

/** The operations of a socket. */
export const OPERATIONS = ['subscribe', 'unsubscribe', 'publish', 'history', 'auth'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** An acknowledgement: `{ok: true, …}` or `{ok: false, error}`. */
export type Acknowledgement = { readonly ok: boolean } & Record<string, unknown>;

/** @throws HubError `bad_request` that names the first field that is wrong. */
export function parseRequest<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const [unknown] = issue?.code === 'unrecognized_keys' ? issue.keys : [];
  const path = unknown === undefined ? issue?.path : [...(issue?.path ?? []), unknown];
  const field = path?.reduce<string>(
    (path, part) =>
      typeof part === 'number' ? `${path}[${part}]` : path === '' ? String(part) : `${path}.${String(part)}`,
    '',
  );
  const message = issue?.message ?? 'is malformed';
  throw new HubError('bad_request', field ? `${field}: ${message}` : message, field ? { field } : {});
}

/** What a transport may want to do before a change of subscriptions is acknowledged. */
export type OnSubscriptionsChanged = (result: SubscribeResult) => Promise<void>;

/** Answers the requests of sockets, whatever their transport. */
export class RequestHandler {
  readonly #hub: Hub;
  readonly #publisher: Publisher;
  readonly #logger: Logger;
  readonly #onError: (code: ErrorCode) => void;

  /** @param options.onError hears of every refusal, for metrics */
  constructor(options: {
    hub: Hub;
    publisher: Publisher;
    logger: Logger;
    onError?: (code: ErrorCode) => void;
  }) {
    this.#hub = options.hub;
    this.#publisher = options.publisher;
    this.#logger = options.logger;
    this.#onError = options.onError ?? (() => undefined);
  }

  /**
   * Carries out one request and acknowledges it once. A `subscribe` is acknowledged before its first message.
   * Never rejects.
   */
  async handle(
    subscriber: Subscriber,
    operation: string,
    body: unknown,
    acknowledge: (acknowledgement: Acknowledgement) => void,
    onSubscriptionsChanged: OnSubscriptionsChanged = async () => undefined,
  ): Promise<void> {
    let acknowledged = false;
    const answer = (acknowledgement: Acknowledgement) => {
      if (acknowledged) return;
      acknowledge(acknowledgement);
      acknowledged = true;
    };
    try {
      switch (operation as Operation) {
        case 'subscribe':
          await subscriber.access.spend('request', 1);
          await subscribe(this.#hub, subscriber, parseRequest(subscribeRequest, body), {
            waitMs: READ_WAIT_MS,
            onPlanned: async (result) => {
              await onSubscriptionsChanged(result);
              answer({ ok: true, ...result });
            },
          });
          return;
        case 'unsubscribe': {
          await subscriber.access.spend('request', 1);
          const left = await unsubscribe(this.#hub, subscriber, parseRequest(unsubscribeRequest, body));
          await onSubscriptionsChanged({ topics: [], cursor: subscriber.cursor() });
          return answer({ ok: true, topics: left });
        }
        case 'publish': {
          const { principal } = subscriber.access;
          const { topic, data, id, traceparent } = parseRequest(publishRequest, body);
          // Publications keep their order: nothing waits here unless the allowance is used up.
          const spent = subscriber.access.spend('publish', 1);
          if (spent !== undefined) await spent;
          const published = await this.#publisher.publish(
            { topic, data: dataText(data), id, traceparent },
            principal,
          );
          return answer({ ok: true, ...published });
        }
        case 'history': {
          await subscriber.access.spend('request', 1);
          const { messages, ...history } = await readHistory(
            this.#hub,
            parseRequest(historyRequest, body),
            subscriber.access.principal,
          );
          return answer({ ok: true, ...history, messages: messages.map(({ text }) => JSON.parse(text)) });
        }
        case 'auth': {
          await subscriber.access.spend('request', 1);
          const { token } = parseRequest(authRequest, body);
          const { subject, expiresAt } = await subscriber.access.renew(token);
          const read = await endDenied(this.#hub, subscriber);
          await onSubscriptionsChanged({ topics: [], cursor: subscriber.cursor() });
          return answer({
            ok: true,
            subject,
            ...(expiresAt === undefined ? {} : { expiresAt }),
            streams: visibleStreams(this.#hub, subscriber.access.principal),
            ...read,
          });
        }
        default:
          throw new HubError(
            'unknown_op',
            `There is no operation "${operation.slice(0, 40)}"; there are: ${OPERATIONS.join(', ')}`,
          );
      }
    } catch (error) {
      if (!(error instanceof HubError)) {
        this.#logger.error(
          { operation, connection: subscriber.id, error: String(error) },
          'request: unexpected error',
        );
      }
      const refusal = errorBody(error);
      this.#onError(refusal.code);
      answer({ ok: false, error: refusal });
    }
  }
}
