/**
 * RFC 9457 problem details, for refusals over HTTP. A request, an event stream and an upgrade that are refused for the
 * same reason get the same status, headers and body, so a client needs only one handler. Exceptions: a temporary refusal
 * of an event stream (`sse/stream-refusal.ts`), and what the client libraries of Socket.IO and WebSocket expect in their
 * own form, such as an unknown session or an old protocol.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { ERRORS, HubError } from '../errors.js';

/** `Retry-After` of an error that has no retry time, and the minimum for all others, s. */
const RETRY_AFTER_S = 1;

/** An error as an HTTP answer. */
export interface ProblemAnswer {
  readonly status: number;
  /** Includes the length of the body; excludes headers that depend on the request, such as CORS. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
}

/** The answer for `error`. An error that is not a {@link HubError} reveals nothing of its cause. */
function problemOf(error: unknown): ProblemAnswer {
  const {
    code,
    message,
    field,
    retryAfterMs = 0,
  } = error instanceof HubError ? error : new HubError('internal', ERRORS.internal.title);
  const { status, title } = ERRORS[code];
  const body = JSON.stringify({
    type: `urn:axiom-streaming:${code}`,
    title,
    status,
    detail: message,
    code,
    ...(field === undefined ? {} : { field }),
  });
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Content-Length': String(Buffer.byteLength(body)),
      'Cache-Control': 'no-store',
      ...(hasRetryAfter(code)
        ? { 'Retry-After': String(Math.max(RETRY_AFTER_S, Math.ceil(retryAfterMs / 1000))) }
        : {}),
      // RFC 6750: the challenge to a request without a token carries no error code.
      ...(status === 401
        ? { 'WWW-Authenticate': code === 'token_missing' ? 'Bearer' : 'Bearer error="invalid_token"' }
        : {}),
    },
    body,
  };
}

/** Whether the answer says when to retry. Nobody knows it for a fault inside the hub; a ban has an end. */
export function hasRetryAfter(code: ErrorCode): boolean {
  return code === 'banned' || (ERRORS[code].retry && ERRORS[code].status !== 500);
}

/** Answers a request with problem details. Headers that were set on the response before are sent too. */
export function sendProblem(response: ServerResponse, error: unknown): void {
  const { status, headers, body } = problemOf(error);
  response.writeHead(status, headers).end(body);
}

/** Answers an upgrade with problem details and ends its connection. */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  const { status, headers, body } = problemOf(error);
  answerUpgrade(socket, status, headers, body);
}

/** Answers an upgrade over HTTP and ends its connection. @param headers the length of the body among them */
export function answerUpgrade(
  socket: Duplex,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  socket.on('error', () => socket.destroy());
  // Without a reader nobody would notice that the client has gone, and its file descriptor would be kept forever.
  socket.once('finish', () => socket.destroy());
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
}
