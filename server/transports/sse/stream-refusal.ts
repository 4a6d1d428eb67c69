/** Refuses requests for an event stream. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StreamEvents } from '@axiom-streaming/protocol/frames';
import { ERRORS, type HubError } from '../../errors.js';
import { OVERLOADED, refuseHandshake } from '../admission.js';
import { RETRY_MS } from './sse-sink.js';
import { EVENT_STREAM_HEADERS } from './stream-headers.js';

/** A header that our proxies add to a request if they will try another node when this one answers 503. */
const NEXT_UPSTREAM = 'x-next-upstream';
/**
 * Clients refused at the same time return spread over this time, so that a limit per second admits most of them, ms.
 */
const SPREAD_MS = 5_000;

/**
 * Answers a refused request for an event stream. Any status but 200 ends an EventSource permanently. So if the same
 * request may succeed later, according to the table of errors, a client that asks for an event stream gets one with a
 * single event, `refused`, and its own `retry`. All other clients, and all final refusals, get problem details.
 */
export function refuseStream(request: IncomingMessage, response: ServerResponse, error: HubError): void {
  const asksNextNode = error === OVERLOADED && request.headers[NEXT_UPSTREAM] === '503';
  if (!ERRORS[error.code].retry || !wantsEvents(request) || asksNextNode) {
    refuseHandshake(response, error);
    return;
  }
  const { code, message } = error;
  const retryAfterMs = Math.max(RETRY_MS, error.retryAfterMs ?? 0) + Math.floor(Math.random() * SPREAD_MS);
  const refused: StreamEvents['refused'] = { code, message, retryAfterMs };
  if (error === OVERLOADED) response.setHeader('Connection', 'close');
  response.writeHead(200, EVENT_STREAM_HEADERS);
  response.end(`retry: ${retryAfterMs}\nevent: refused\ndata: ${JSON.stringify(refused)}\n\n`);
}

/** Whether a client accepts an event stream in any case: every EventSource does, curl only if told to. */
function wantsEvents({ headers: { accept } }: IncomingMessage): boolean {
  return accept !== undefined && /\btext\/event-stream\b/i.test(accept);
}
