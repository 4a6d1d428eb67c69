/**
 * Server-sent events, read with `fetch`: an EventSource cannot send a token, does not report a status, and does not
 * exist in Node.js.
 *
 * The topics of a stream are fixed by its request, so each request is a separate stream with its own cursor. If one of
 * them ends, the link ends: they are all on one node.
 */
import type { OpeningInfo } from '@axiom-streaming/protocol/frames';
import type { StreamInfo } from '@axiom-streaming/protocol/message';
import type { OperationName, Requests, SubscribeRequest } from '@axiom-streaming/protocol/requests';
import { unknownCursor } from './gaps.js';
import { toHubError } from './hub-error.js';
import type { Done, Link, LinkOptions, Scope } from './link.js';
import { readEvents } from './sse-events.js';
import { asFrame, isEvent, isRecord, parse, readAck, readError } from './wire.js';

/** The hub sends a comment every 15 s. */
const SILENCE_MS = 45_000;

type Operations = {
  readonly [Name in OperationName]?: (body: Requests[Name], done: Done<Name>, scope: Scope) => void;
};

export async function openSse({ url, token, listener }: LinkOptions): Promise<Link> {
  const streams = new Map<Scope, AbortController>();
  const aborter = new AbortController();

  /** @throws HubError unless the answer is a success. */
  const send = async (path: string, init: Init = {}): Promise<Response> => {
    const response = await fetch(url + path, {
      signal: aborter.signal,
      ...init,
      headers: { ...init.headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    });
    if (response.ok) return response;
    const problem: unknown = await response.json().catch(() => undefined);
    const retryAfterMs = Number(response.headers.get('Retry-After')) * 1_000;
    throw readError(
      isRecord(problem) && { retryAfterMs, ...problem },
      'unreachable',
      `${url} answers ${response.status}`,
    );
  };

  const call = async <Name extends OperationName>(
    named: Name,
    path: string,
    done: Done<Name>,
    init?: Init,
  ) => {
    try {
      const answer: unknown = await (await send(path, init)).json();
      done(readAck({ ...(isRecord(answer) && answer), ok: true }, named));
    } catch (error) {
      done({ ok: false, error: toHubError(error, url) });
    }
  };

  const stream = async (body: SubscribeRequest, done: Done<'subscribe'>, scope: Scope) => {
    const abort = new AbortController();
    streams.set(scope, abort);
    let begun = false;
    const take = (op: string, data: string, cursor: string) => {
      const value = parse(data);
      if (op === 'position' && !begun && isOpening(value)) {
        begun = true;
        listener.node(value.node);
        // An invalid cursor is refused as a whole; the topics then begin without one.
        done({ ok: true, cursor, topics: value.reason ? unknownCursor(body.topics) : value.topics });
        return;
      }
      const frame = asFrame(op, value, cursor);
      if (isEvent(frame)) listener.event(frame, scope);
    };
    let why: unknown = 'no more events';
    try {
      // The body has room for as many topics as a connection may read.
      const init = { method: 'POST', body: JSON.stringify(body), signal: abort.signal };
      await readEvents(await send('/stream', init), SILENCE_MS, take);
    } catch (thrown) {
      why = thrown;
    }
    const error = toHubError(why, url);
    streams.delete(scope);
    if (abort.signal.aborted) return;
    if (!begun) done({ ok: false, error });
    if (begun || error.code === 'unreachable') listener.closed(error);
  };

  const operations: Operations = {
    subscribe: stream,
    publish: ({ topic, data, id }, done) =>
      call('publish', pathOf(topic), done, {
        method: 'POST',
        body: JSON.stringify(data),
        headers: id === undefined ? {} : { 'Idempotency-Key': id },
      }),
    history: ({ topic, ...rest }, done) => call('history', `${pathOf(topic)}?${query(rest)}`, done),
  };

  // There is nothing to connect to before there are topics; it is enough that the hub answers.
  send('/api/streams')
    .then((answer) => answer.json())
    .then(({ streams }: { readonly streams: readonly StreamInfo[] }) => {
      // Each stream reports its own node, because the next request may reach another one.
      listener.event({ op: 'welcome', node: '', connection: '', streams, cursor: '' });
    })
    .catch(listener.closed);
  return {
    // A `subscribe` has a scope, and nothing else needs one.
    request: (operation, body, done, scope) => operations[operation]?.(body, done, scope as Scope),
    release: (reading) => {
      for (const [{ readings }, abort] of streams) {
        if (readings.delete(reading) && readings.size === 0) abort.abort();
      }
    },
    close: () => {
      aborter.abort();
      for (const abort of streams.values()) abort.abort();
    },
  };
}

type Init = { readonly headers?: Record<string, string> } & Omit<RequestInit, 'headers'>;

function pathOf(topic: string): string {
  return `/api/topics/${encodeURIComponent(topic)}/messages`;
}

/** Omits undefined values. */
function query(body: object): string {
  return String(new URLSearchParams(JSON.parse(JSON.stringify(body))));
}

function isOpening(value: unknown): value is OpeningInfo {
  return isRecord(value) && Array.isArray(value.topics);
}
