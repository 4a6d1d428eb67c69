import type { ClientHttp2Session } from 'node:http2';

/** What came over one stream of HTTP/2 so far. */
export interface Http2Stream {
  readonly text: string;
  /** 0 until there is an answer. */
  readonly status: number;
}

/** Asks for a path over a connection of HTTP/2, and keeps the answer as it comes. */
export function openStream(
  session: ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Http2Stream {
  const stream = session.request({ ':path': path, ...headers });
  const seen = { text: '', status: 0 };
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    seen.text += chunk;
  });
  stream.on('response', (answer) => {
    seen.status = Number(answer[':status']);
  });
  stream.on('error', () => undefined);
  return seen;
}
