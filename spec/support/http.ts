import { authorization } from './credentials.js';

/** An answer with its body read as JSON. */
export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** One message over HTTP. `data` is sent as its JSON. */
export async function publish(
  url: string,
  topic: string,
  data: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return call(
    'POST',
    `${url}/api/topics/${encodeURIComponent(topic)}/messages`,
    JSON.stringify(data),
    headers,
  );
}

/** Many messages over HTTP, as one JSON array. */
export async function publishAll(
  url: string,
  items: readonly { topic: string; data: unknown; id?: string }[],
): Promise<Answer<{ results: { ok: boolean; seq: number; error?: { code: string } }[] }>> {
  return call('POST', `${url}/api/messages`, JSON.stringify(items));
}

export async function get<T = Record<string, unknown>>(url: string): Promise<Answer<T>> {
  return call('GET', url);
}

/** Any request, with its answer parsed where it is JSON. An empty `Authorization` stands for none at all. */
export async function call<T = Record<string, unknown>>(
  method: string,
  url: string,
  body?: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  const all = new Headers({ ...authorization(), ...headers });
  if (all.get('Authorization') === '') all.delete('Authorization');
  const response = await fetch(url, {
    method,
    headers: all,
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: (isJson ? JSON.parse(text) : text) as T,
  };
}
