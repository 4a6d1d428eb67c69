import type { Duplex } from 'node:stream';
import { ERRORS, HubError } from '../errors.js';

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** What a handshake is refused with: status, headers and problem details. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The answer to a handshake that failed. Anything that is no {@link HubError} tells nothing of its inside. */
export function refusalOf(error: unknown): Refusal {
  const known = error instanceof HubError ? error : new HubError('internal', ERRORS.internal.title);
  const { status, title, retry } = ERRORS[known.code];
  const seconds = known.retryAfterMs === undefined ? 1 : Math.max(1, Math.ceil(known.retryAfterMs / 1000));
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(retry && status !== 500 ? { 'Retry-After': String(seconds) } : {}),
      ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    },
    body: JSON.stringify({
      type: `urn:axiom-streaming:${known.code}`,
      title,
      status,
      detail: known.message,
      code: known.code,
      ...(known.field === undefined ? {} : { field: known.field }),
    }),
  };
}

/** Answers an upgrade with a refusal and ends its connection. */
export function refuseUpgrade(socket: Duplex, { status, headers, body }: Refusal): void {
  socket.on('error', () => socket.destroy());
  // Nobody reads it any more, so nobody would see that the client has gone: its descriptor would be kept for good.
  socket.once('finish', () => socket.destroy());
  const lines = Object.entries({
    ...headers,
    Connection: 'close',
    'Content-Length': Buffer.byteLength(body),
  });
  socket.end(
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
  );
}
