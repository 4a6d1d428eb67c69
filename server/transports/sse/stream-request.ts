/** Parses a request for an event stream. */
import type { IncomingMessage } from 'node:http';
import { HubError } from '../../errors.js';
import { parseRequest } from '../../hub/operations/fields.js';
import { subscribeRequest } from '../../hub/operations/subscribe.js';

const PARAMETERS = new Set(['topics', 'since', 'lastEventId', 'rewind', 'conflate', 'maxRate', 'ticket']);

/** Its fields are those of `subscribe`; if `since` is not a cursor, the stream reports it. */
export type StreamRequest = ReturnType<typeof readQuery>;

/**
 * Reads the address of a request, and its header `Last-Event-ID`.
 *
 * @throws HubError `bad_request`
 */
export function readQuery({ headers }: IncomingMessage, query: URLSearchParams) {
  const header = headers['last-event-id'];
  // The header that a browser adds when it reconnects is newer than the URL, which does not change.
  const since =
    (typeof header === 'string' && header) || query.get('lastEventId') || query.get('since') || undefined;
  const topics = query.getAll('topics').flatMap((list) => list.split(',').filter((topic) => topic !== ''));
  if (topics.length === 0) {
    throw new HubError('bad_request', 'topics: is missing; for example /stream?topics=market:AAPL,news:*', {
      field: 'topics',
    });
  }
  for (const name of query.keys()) {
    if (!PARAMETERS.has(name))
      throw new HubError('bad_request', `${name}: is not a parameter of /stream`, { field: name });
  }
  const number = (name: string) => (query.has(name) ? Number(query.get(name)) : undefined);
  const { since: _, ...rest } = parseRequest(subscribeRequest, {
    topics,
    rewind: number('rewind'),
    conflate: query.get('conflate') ?? undefined,
    maxRate: number('maxRate'),
  });
  return { ...rest, since, ticket: query.get('ticket') || undefined };
}
