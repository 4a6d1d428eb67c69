import type { GapInfo, Message, TopicVerdict } from '@axiom-streaming/protocol/message';
import { EventSource } from 'eventsource';
import {
  nextAddress,
  Seen,
  type TestClient,
  type TestClientOptions,
  type TestSubscription,
} from './client.js';
import { authorization } from './credentials.js';

export interface SseTestClient extends TestClient {
  readonly source: EventSource;
  /** Data of the `position` events that began a connection. */
  readonly openings: readonly Record<string, unknown>[];
}

/** Opens an ordinary EventSource. Resolves with its first `position`. @param pass awaited before each chunk is read on */
export async function subscribeSse(
  { url, address = nextAddress(), token, pass }: TestClientOptions & { pass?: () => Promise<void> },
  { topics, ...options }: TestSubscription,
): Promise<SseTestClient> {
  const query = new URLSearchParams({ topics: topics.join(',') });
  for (const [name, value] of Object.entries(options)) query.set(name, String(value));
  const seen = new Seen();
  const openings: Record<string, unknown>[] = [];
  const source = new EventSource(`${url}/stream?${query}`, {
    fetch: async (input, init) => {
      const response = await fetch(input, {
        ...init,
        headers: { ...init.headers, ...authorization(token), 'X-Forwarded-For': address },
      });
      return pass === undefined ? response : passing(response, pass);
    },
  });
  const client = {
    transport: 'sse' as const,
    source,
    seen,
    openings,
    verdicts: [] as readonly TopicVerdict[],
    get node() {
      return seen.nodes.at(-1) ?? '';
    },
    close: () => source.close(),
  };
  source.onmessage = ({ data, lastEventId }) =>
    seen.message(JSON.parse(String(data)) as Message, lastEventId);
  source.addEventListener('gap', ({ data }) => seen.gaps.push(JSON.parse(String(data)) as GapInfo));
  source.addEventListener('degraded', ({ data }) => seen.degraded.push(JSON.parse(String(data))));
  source.addEventListener('drain', ({ data }) => seen.drains.push(JSON.parse(String(data))));
  await new Promise<void>((resolve, reject) => {
    source.addEventListener('position', ({ data, lastEventId }) => {
      const position = JSON.parse(String(data)) as Record<string, unknown>;
      seen.position(lastEventId);
      if (position.node === undefined) return;
      openings.push(position);
      seen.nodes.push(String(position.node));
      client.verdicts = position.topics as readonly TopicVerdict[];
      resolve();
    });
    source.onerror = ({ code, message }) => {
      seen.losses += 1;
      if (seen.nodes.length === 0 && code !== undefined) {
        source.close();
        reject(new Error(`the event stream was refused: ${code} ${message}`));
      }
    };
  });
  return client;
}

/** A response of which nothing is read while `pass` waits. */
function passing({ body, status, headers }: Response, pass: () => Promise<void>): Response {
  const gate = new TransformStream<Uint8Array, Uint8Array>({
    transform: async (chunk, controller) => {
      await pass();
      controller.enqueue(chunk);
    },
  });
  return new Response(body?.pipeThrough(gate) ?? null, { status, headers });
}
