import type { DegradedInfo, GapInfo, Message, TopicVerdict } from '@axiom-streaming/protocol/message';
import { EventSource } from 'eventsource';
import {
  BaseTestClient,
  CONNECT_WITHIN_MS,
  fromAddress,
  nextAddress,
  type TestClientOptions,
  type TestSubscription,
} from './client.js';
import { authorization } from './credentials.js';

/** An ordinary EventSource: it comes back by itself, with its `Last-Event-ID` and after the server's `retry`. */
export class SseTestClient extends BaseTestClient {
  readonly transport = 'sse';
  readonly source: EventSource;
  /** Data of the `position` events that began a connection. */
  readonly openings: Record<string, unknown>[] = [];
  #since: boolean;
  #flowing = Promise.resolve();
  #flow: () => void = () => undefined;
  #cut: () => void = () => undefined;

  /** Opens the stream. Most want {@link subscribeSse}, which waits for the first position. */
  constructor(options: TestClientOptions, { topics, ...rest }: TestSubscription) {
    super(options);
    const { url, address = nextAddress(), token } = options;
    const query = new URLSearchParams({ topics: topics.join(',') });
    for (const [name, value] of Object.entries(rest)) if (value !== undefined) query.set(name, String(value));
    this.#since = rest.since !== undefined;
    this.source = new EventSource(`${url}/stream?${query}`, {
      fetch: async (input, init) => {
        const headers = { ...init.headers, ...authorization(token), ...fromAddress(address) };
        const response = await answered((signal) => fetch(input, { ...init, headers, signal }), init.signal);
        return this.#controlled(response);
      },
    });
    this.#listen();
  }

  stall(): void {
    this.#flowing = new Promise((resolve) => {
      this.#flow = resolve;
    });
  }

  resume(): void {
    this.#flow();
  }

  cut(): void {
    this.#cut();
  }

  close(): void {
    this.source.close();
    this.#flow();
  }

  #listen(): void {
    const { source, seen } = this;
    source.onmessage = ({ data, lastEventId }) =>
      seen.message(JSON.parse(String(data)) as Message, lastEventId);
    source.addEventListener('position', ({ data, lastEventId }) => {
      const position = JSON.parse(String(data)) as Record<string, unknown>;
      if (position.node === undefined) {
        seen.position(lastEventId);
        return;
      }
      if (seen.keeps) seen.positions.push(lastEventId);
      this.openings.push(position);
      seen.connected(String(position.node));
      seen.subscribed(position.topics as readonly TopicVerdict[], lastEventId, this.#since);
      this.#since = true;
    });
    source.addEventListener('gap', ({ data }) => seen.gap(JSON.parse(String(data)) as GapInfo));
    source.addEventListener('degraded', ({ data }) =>
      seen.degradation(JSON.parse(String(data)) as DegradedInfo),
    );
    source.addEventListener('drain', ({ data }) => seen.drains.push(JSON.parse(String(data))));
    source.onerror = ({ code, message }) => {
      seen.lost(`${code ?? ''} ${message ?? ''}`.trim());
      if (source.readyState === source.CLOSED) seen.fail(`an event stream was answered with ${code}`);
    };
  }

  /** A response that this client can stop reading, or end in the middle. */
  #controlled({ body, status, headers }: Response): Response {
    if (body === null) return new Response(null, { status, headers });
    const reader = body.getReader();
    this.#cut = () => void reader.cancel();
    const controlled = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { done, value } = await reader.read();
          await this.#flowing;
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      // Nothing is read ahead of the reader.
      { highWaterMark: 0 },
    );
    return new Response(controlled, { status, headers });
  }
}

/** Opens an event stream. Resolves with its first `position`. @throws Error where the hub refuses it */
export async function subscribeSse(
  options: TestClientOptions,
  subscription: TestSubscription,
): Promise<SseTestClient> {
  const client = new SseTestClient(options, subscription);
  const { source } = client;
  await new Promise<void>((resolve, reject) => {
    source.addEventListener('position', () => resolve(), { once: true });
    source.addEventListener('error', ({ code, message }) => {
      if (client.openings.length > 0 || code === undefined) return;
      client.close();
      reject(new Error(`the event stream was refused: ${code} ${message}`));
    });
  });
  return client;
}

/** A response whose headers come in time: a node that is stopped accepts connections and says nothing. */
async function answered(
  open: (signal: AbortSignal) => Promise<Response>,
  signal: AbortSignal,
): Promise<Response> {
  const abort = new AbortController();
  signal.addEventListener('abort', () => abort.abort(signal.reason), { once: true });
  const timer = setTimeout(() => abort.abort(new Error('no answer')), CONNECT_WITHIN_MS);
  try {
    return await open(abort.signal);
  } finally {
    clearTimeout(timer);
  }
}
