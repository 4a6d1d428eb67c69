/** What a client asks an event stream for, in each of the forms that there are. */
import type { IncomingMessage } from 'node:http';
import type { SubscribeRequest } from '@axiom-streaming/protocol/requests';
import { HubError } from '../../errors.js';
import { parseRequest } from '../../hub/operations/fields.js';
import { subscribeRequest } from '../../hub/operations/subscribe.js';

/**
 * The fields of `subscribe`, of which `since` may be no cursor (which is told in the stream), and how the request came.
 */
export interface StreamRequest extends SubscribeRequest {
  readonly ticket?: string | undefined;
  /** The subscription that it names, with its text. */
  readonly subscription?: { readonly id: string; readonly text: string } | undefined;
}

const OF_TOPICS = ['topics', 'rewind', 'conflate', 'maxRate'];
const PARAMETERS = [...OF_TOPICS, 'subscription', 'since', 'lastEventId', 'ticket'];

/** Topics in the address. @throws HubError `bad_request` */
export function readQuery(request: IncomingMessage, query: URLSearchParams): StreamRequest {
  checkNames(query, PARAMETERS);
  const topics = query.getAll('topics').flatMap((list) => list.split(',').filter((topic) => topic !== ''));
  if (topics.length === 0) {
    throw new HubError('bad_request', 'topics: is missing; for example /stream?topics=market:AAPL,news:*', {
      field: 'topics',
    });
  }
  const number = (name: string) => (query.has(name) ? Number(query.get(name)) : undefined);
  const { since: _, ...wanted } = parseRequest(subscribeRequest, {
    topics,
    rewind: number('rewind'),
    conflate: query.get('conflate') ?? undefined,
    maxRate: number('maxRate'),
  });
  return { ...wanted, since: sinceOf(request, query), ticket: query.get('ticket') || undefined };
}

/** Topics in the body: a request of `subscribe`. @throws HubError `bad_request` */
export function readBody(request: IncomingMessage, query: URLSearchParams, body: unknown): StreamRequest {
  checkNames(query, []);
  const wanted = parseRequest(subscribeRequest, body);
  return { ...wanted, since: sinceOf(request, query) ?? wanted.since };
}

/** Topics of a subscription that was created before. @throws HubError `bad_request` */
export function readStored(
  request: IncomingMessage,
  query: URLSearchParams,
  subscription: { readonly id: string; readonly text: string },
): StreamRequest {
  for (const name of OF_TOPICS) {
    if (query.has(name))
      throw new HubError('bad_request', `${name}: is a part of the subscription already`, { field: name });
  }
  checkNames(query, PARAMETERS);
  const wanted = JSON.parse(subscription.text) as SubscribeRequest;
  return {
    ...wanted,
    since: sinceOf(request, query) ?? wanted.since,
    ticket: query.get('ticket') || undefined,
    subscription,
  };
}

/** The header that a browser adds when it reconnects is newer than the URL, which does not change. */
function sinceOf({ headers }: IncomingMessage, query: URLSearchParams): string | undefined {
  const header = headers['last-event-id'];
  return (
    (typeof header === 'string' && header) || query.get('lastEventId') || query.get('since') || undefined
  );
}

function checkNames(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (!known.includes(name))
      throw new HubError('bad_request', `${name}: is not a parameter of /stream`, { field: name });
  }
}
