/** Refusals on the wire. Section 12 of docs/PROTOCOL.md explains each code. */

/** Further codes may be added; a client treats one that it does not know by its HTTP status, if it has one. */
export type ErrorCode =
  | 'bad_request'
  | 'bad_json'
  | 'bad_topic'
  | 'bad_cursor'
  | 'unknown_op'
  | 'token_missing'
  | 'token_invalid'
  | 'token_expired'
  | 'token_revoked'
  | 'denied'
  | 'banned'
  | 'origin_denied'
  | 'unknown_stream'
  | 'not_found'
  | 'method_not_allowed'
  | 'idempotency_conflict'
  | 'too_large'
  | 'batch_too_large'
  | 'address_too_long'
  | 'unsupported_type'
  | 'unsupported'
  | 'too_many_keys'
  | 'too_many_topics'
  | 'headers_too_large'
  | 'rate_limited'
  | 'quota_exceeded'
  | 'too_many_connections'
  | 'internal'
  | 'node_unavailable'
  | 'keys_unavailable'
  | 'overloaded'
  | 'log_unavailable'
  | 'storage_full';

/** Why a request was refused, in acknowledgements and in the `data` of a Socket.IO `connect_error`. */
export interface ErrorBody {
  readonly code: ErrorCode;
  /** For people; may change. */
  readonly message: string;
  /** The field of the request that is wrong, with an index in a list; missing if no single field is. */
  readonly field?: string;
  /** When to retry, ms from now, if that is known. */
  readonly retryAfterMs?: number;
}

/** An error answer over HTTP, RFC 9457. */
export interface Problem {
  /** `urn:axiom-streaming:` and the code. */
  readonly type: string;
  readonly title: string;
  /** The HTTP status. */
  readonly status: number;
  /** For people; may change. */
  readonly detail: string;
  readonly code: ErrorCode;
  readonly field?: string;
}
