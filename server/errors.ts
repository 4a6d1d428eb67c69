/**
 * Every error that a user can get, in one table: HTTP status, title, and whether trying again can help.
 * `docs/PROTOCOL.md` lists them; a spec holds the two together.
 */

import type { ErrorBody, ErrorCode } from '@axiom-streaming/protocol/errors';

interface ErrorKind {
  readonly status: number;
  readonly title: string;
  /** The same request can succeed later. */
  readonly retry: boolean;
}

export const ERRORS = {
  bad_request: { status: 400, title: 'The request is malformed', retry: false },
  bad_json: { status: 400, title: 'The body is not JSON', retry: false },
  bad_topic: { status: 400, title: 'This is not a topic', retry: false },
  bad_cursor: { status: 400, title: 'This is not a cursor of this hub', retry: false },
  unknown_op: { status: 400, title: 'There is no such operation', retry: false },
  token_missing: { status: 401, title: 'A token is needed', retry: false },
  token_invalid: { status: 401, title: 'The token is not accepted', retry: false },
  token_expired: { status: 401, title: 'The token has expired', retry: false },
  token_revoked: { status: 401, title: 'The token was revoked', retry: false },
  denied: { status: 403, title: 'The token does not allow this', retry: false },
  banned: { status: 403, title: 'An operator keeps this client away for a time', retry: false },
  origin_denied: { status: 403, title: 'Pages of this origin are not served', retry: false },
  unknown_stream: { status: 404, title: 'There is no such stream', retry: false },
  not_found: { status: 404, title: 'There is nothing here', retry: false },
  method_not_allowed: { status: 405, title: 'This method is not offered here', retry: false },
  idempotency_conflict: {
    status: 409,
    title: 'The same id was used for another message of this topic',
    retry: false,
  },
  too_large: { status: 413, title: 'The message or the body is too large', retry: false },
  batch_too_large: { status: 413, title: 'The batch is too large', retry: false },
  address_too_long: { status: 414, title: 'The address is too long', retry: false },
  unsupported_type: { status: 415, title: 'This content type is not read here', retry: false },
  unsupported: { status: 422, title: 'This hub does not do that', retry: false },
  too_many_keys: { status: 422, title: 'The stream has as many keys as it may have', retry: true },
  too_many_topics: { status: 422, title: 'The connection reads as many topics as it may', retry: false },
  headers_too_large: { status: 431, title: 'The headers are too large', retry: false },
  rate_limited: { status: 429, title: 'Too many requests', retry: true },
  quota_exceeded: { status: 429, title: 'A share of what is stored is used up', retry: true },
  too_many_connections: { status: 429, title: 'Too many connections', retry: true },
  internal: { status: 500, title: 'Something went wrong in the hub', retry: true },
  node_unavailable: { status: 502, title: 'No node of the hub answers', retry: true },
  keys_unavailable: {
    status: 503,
    title: 'The keys that tokens are checked with are unreachable',
    retry: true,
  },
  overloaded: { status: 503, title: 'The hub has more waiting than it may hold', retry: true },
  log_unavailable: { status: 503, title: 'The stream log is unreachable', retry: true },
  storage_full: { status: 503, title: 'The hub has no room to store anything', retry: true },
} as const satisfies Record<ErrorCode, ErrorKind>;

/** An error that is meant for the user: its message names what is wrong and where. */
export class HubError extends Error {
  readonly code: ErrorCode;
  /** The field of the input that is wrong, if it is a single one. */
  readonly field: string | undefined;
  /** When to retry, ms from now, if that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { field?: string; cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'HubError';
    this.code = code;
    this.field = options.field;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** An error as text for the log: with its stack, if it has one. */
export function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The error as the transports send it. Anything but a {@link HubError} is reported without its details. */
export function errorBody(error: unknown): ErrorBody {
  if (!(error instanceof HubError)) return { code: 'internal', message: ERRORS.internal.title };
  const { code, message, field, retryAfterMs } = error;
  return {
    code,
    message,
    ...(field === undefined ? {} : { field }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}
