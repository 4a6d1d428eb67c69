/**
 * Server-sent events, read with `fetch`: an EventSource cannot send a token, does not report a status, and does not
 * exist in Node.js.
 *
 * The topics of a stream are fixed by its request, so each request is a separate stream with its own cursor. If one of them
 * ends, the link ends: they are all on one node.
 */
import type { OpeningInfo } from '@axiom-streaming/protocol/frames';
import type { StreamInfo } from '@axiom-streaming/protocol/message';
import type { OperationName, Requests, SubscribeRequest } from '@axiom-streaming/protocol/requests';
import { HubError, toHubError } from './hub-error.js';
import type { Done, Link, LinkOptions, Scope } from './link.js';
import type { Reader } from './reading.js';
import { readEvents } from './sse-events.js';
import { asFrame, isEvent, isRecord, parse, readAck, readError } from './wire.js';

/** The hub sends a comment every 15 s. */
const SILENCE_MS = 45_000;

export async function openSse(options: LinkOptions): Promise<Link> {
  const link = new SseLink(options);
  void link.open();
  return link;
}

type Operations = {
  readonly [Name in OperationName]: (body: Requests[Name], done: Done<Name>, scope: Scope) => void;
};

class SseLink implements Link {
  readonly transport = 'sse';
  readonly cursorPerRequest = true;
  readonly #options: LinkOptions;
  readonly #streams = new Map<Scope, AbortController>();
  readonly #abort = new AbortController();
  readonly #operations: Operations = {
    subscribe: (body, done, scope) => void this.#stream(body, done, scope),
    publish: ({ topic, data, id }, done) => {
      const headers: Record<string, string> = id === undefined ? {} : { 'Idempotency-Key': id };
      void this.#call('publish', pathOf(topic), done, {
        method: 'POST',
        body: JSON.stringify(data),
        headers,
      });
    },
    history: ({ topic, ...rest }, done) =>
      void this.#call('history', `${pathOf(topic)}?${query(rest)}`, done),
    // Closing or reopening a stream has the same effect.
    unsubscribe: unsupported,
    auth: unsupported,
  };

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** There is nothing to connect to before there are topics; it is enough that the hub answers. */
  async open(): Promise<void> {
    const { listener } = this.#options;
    try {
      const answer: { streams: readonly StreamInfo[] } = await (await this.#fetch('/api/streams')).json();
      // Each stream reports its own node, because the next request may reach another one.
      listener.event({ op: 'welcome', node: '', connection: '', streams: answer.streams, cursor: '' });
    } catch (error) {
      listener.closed(toHubError(error));
    }
  }

  request<Name extends OperationName>(
    operation: Name,
    body: Requests[Name],
    done: Done<Name>,
    scope: Scope = NOBODY,
  ): void {
    this.#operations[operation](body, done, scope);
  }

  release(reading: Reader): void {
    for (const [scope, abort] of this.#streams) {
      if (scope.readings.delete(reading) && scope.readings.size === 0) {
        this.#streams.delete(scope);
        abort.abort();
      }
    }
  }

  close(): void {
    this.#abort.abort();
    for (const abort of this.#streams.values()) abort.abort();
    this.#streams.clear();
  }

  async #stream(body: SubscribeRequest, done: Done<'subscribe'>, scope: Scope): Promise<void> {
    const { listener } = this.#options;
    const abort = new AbortController();
    this.#streams.set(scope, abort);
    let begun = false;
    const take = (op: string, data: string, cursor: string) => {
      const value = parse(data);
      if (op === 'position' && !begun && isOpening(value)) {
        begun = true;
        const { node, reason, topics } = value;
        listener.node(node);
        // An invalid cursor is refused as a whole; the topics then begin without one.
        const lost = reason && ({ recovered: false, reason } as const);
        done({ ok: true, cursor, topics: lost ? topics.map(({ topic }) => ({ topic, ...lost })) : topics });
        return;
      }
      const frame = asFrame(op, value, cursor);
      if (isEvent(frame)) listener.event(frame, scope);
    };
    let error = new HubError('unreachable', 'SSE: the stream ended');
    try {
      // The body has room for as many topics as a connection may read.
      const init = { method: 'POST', body: JSON.stringify(body), signal: abort.signal };
      const response = await this.#fetch('/stream', init);
      await readEvents(response, SILENCE_MS, take);
    } catch (thrown) {
      error = toHubError(thrown);
    }
    if (!this.#streams.delete(scope)) return;
    if (!begun) done({ ok: false, error });
    if (begun || error.code === 'unreachable') {
      this.close();
      listener.closed(error);
    }
  }

  async #call<Name extends OperationName>(named: Name, path: string, done: Done<Name>, init?: Init) {
    try {
      const answer: unknown = await (await this.#fetch(path, init)).json();
      done(readAck({ ...(isRecord(answer) && answer), ok: true }, named));
    } catch (error) {
      done({ ok: false, error: toHubError(error) });
    }
  }

  /** @throws HubError unless the answer is a success. */
  async #fetch(path: string, init: Init = {}): Promise<Response> {
    const { url, token } = this.#options;
    const response = await fetch(url + path, {
      signal: this.#abort.signal,
      ...init,
      headers: { ...init.headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    });
    if (response.ok) return response;
    const problem: unknown = await response.json().catch(() => undefined);
    throw readError(problem, 'unreachable', `the hub answers ${response.status}`);
  }
}

type Init = { headers?: Record<string, string> } & Omit<RequestInit, 'headers'>;

const NOBODY: Scope = { readings: new Set(), place: { cursor: undefined } };

function unsupported(
  _: unknown,
  done: (refusal: { readonly ok: false; readonly error: HubError }) => void,
): void {
  done({ ok: false, error: new HubError('unsupported', 'SSE') });
}

function pathOf(topic: string): string {
  return `/api/topics/${encodeURIComponent(topic)}/messages`;
}

/** Omits undefined values. Lists become comma-separated. */
function query(body: object): string {
  return String(new URLSearchParams(JSON.parse(JSON.stringify(body))));
}

function isOpening(value: unknown): value is OpeningInfo {
  return isRecord(value) && Array.isArray(value.topics);
}
