/**
 * Server-sent events, read with `fetch`: an EventSource cannot send a token, does not tell a status, and Node.js has none.
 *
 * Topics are fixed in the address of a stream, so each request is a stream of its own, with a cursor of its own. The
 * end of any of them is the end of the link: they are all on one node.
 */
import type { WelcomeInfo } from '@axiom-streaming/protocol/message';
import { HubError } from './hub-error.js';
import type { Ack, Link, LinkListener, LinkOptions, Scope } from './link.js';
import type { Reading } from './reading.js';
import { readEvents } from './sse-events.js';

/** The hub sends a comment every 15 s. */
const SILENCE_MS = 45_000;

export async function openSse(options: LinkOptions): Promise<Link> {
  const link = new SseLink(options);
  void link.open();
  return link;
}

class SseLink implements Link {
  readonly transport = 'sse';
  readonly cursorPerRequest = true;
  readonly #options: LinkOptions;
  readonly #streams = new Map<Scope, AbortController>();
  readonly #abort = new AbortController();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** There is nothing to connect before there are topics; that the hub answers has to do. */
  async open(): Promise<void> {
    const { listener } = this.#options;
    try {
      const { streams } = (await (await this.#fetch('/api/streams')).json()) as Pick<WelcomeInfo, 'streams'>;
      // Which node it is says each stream for itself: the next request may meet another.
      listener.welcome({ node: '', connection: '', streams });
    } catch (error) {
      listener.closed(toHubError(error));
    }
  }

  request(operation: string, body: object, done: (ack: Ack) => void, scope?: Scope): void {
    if (operation === 'subscribe') void this.#stream(body, done, scope ?? NOBODY);
    else
      this.#call(operation, body as never).then(
        (answer) => done({ ok: true, ...answer }),
        (error: unknown) => done({ ok: false, error: toHubError(error) }),
      );
  }

  release(reading: Reading): void {
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

  async #stream(body: object, done: (ack: Ack) => void, scope: Scope): Promise<void> {
    const { listener } = this.#options;
    const abort = new AbortController();
    this.#streams.set(scope, abort);
    let begun = false;
    const take = (name: keyof LinkListener, data: string, id: string) => {
      const value: unknown = JSON.parse(data);
      if (name === 'message') listener.message(value as never, id, scope);
      else if (name === 'position' && !begun) {
        begun = true;
        const answer = value as WelcomeInfo & { readonly cursor: string };
        const { reason, topics = [] } = answer;
        listener.node(answer.node);
        // Only a cursor that is none is refused as a whole; the topics begin anew then.
        const lost = reason === undefined ? {} : { recovered: false, reason };
        done({ ok: true, cursor: id, topics: topics.map((verdict) => ({ ...verdict, ...lost })) });
      } else if (name === 'position') listener.position(id, scope);
      else if (name !== 'closed') listener[name]?.(value as never, scope);
    };
    let error = new HubError('unreachable', 'SSE: the stream ended');
    try {
      const response = await this.#fetch(`/stream?${query(body)}`, { signal: abort.signal });
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

  async #call(operation: string, body: { topic: string; data?: unknown; id?: string }): Promise<object> {
    const path = `/api/topics/${encodeURIComponent(body.topic)}/messages`;
    if (operation === 'history') {
      const { topic: _, ...rest } = body;
      return (await this.#fetch(`${path}?${query(rest)}`)).json() as Promise<object>;
    }
    const headers: Record<string, string> = body.id === undefined ? {} : { 'Idempotency-Key': body.id };
    const init = { method: 'POST', body: JSON.stringify(body.data), headers };
    return (await this.#fetch(path, init)).json() as Promise<object>;
  }

  /** @throws HubError where the answer is no success. */
  async #fetch(path: string, init: { headers?: Record<string, string> } & Omit<RequestInit, 'headers'> = {}) {
    const { url, token } = this.#options;
    const response = await fetch(url + path, {
      signal: this.#abort.signal,
      ...init,
      headers: { ...init.headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    });
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as {
      code?: string;
      detail?: string;
      field?: string;
    };
    const { code = 'unreachable', detail = `the hub answers ${response.status}`, field } = problem;
    throw new HubError(code, detail, field);
  }
}

const NOBODY: Scope = { readings: new Set(), place: { cursor: undefined } };

/** Without what is undefined. Lists become comma-separated. */
function query(body: object): string {
  return String(new URLSearchParams(JSON.parse(JSON.stringify(body)) as Record<string, string>));
}

function toHubError(error: unknown): HubError {
  return error instanceof HubError ? error : new HubError('unreachable', `SSE: ${(error as Error).message}`);
}
