/**
 * WebSocket close codes, the causes for which a node ends a connection. Each says whether a client should reconnect.
 * Socket.IO and SSE have no close codes; they close in the way that makes their clients do the same.
 */

/** What a close code means and what a client does with it. The table in docs/PROTOCOL.md has the same words. */
export interface CloseCode {
  readonly code: number;
  readonly name: string;
  readonly meaning: string;
  /** `yes`: reconnect with the last cursor; `after a change`: not before the cause is fixed. */
  readonly reconnect: 'yes' | 'after a change';
}

export const CLOSE = {
  drain: {
    code: 1012,
    name: 'drain',
    meaning: 'the node is being restarted, or what the API key of the connection allows was changed',
    reconnect: 'yes',
  },
  slow: {
    code: 4008,
    name: 'slow',
    meaning: 'the connection read too slowly for its budget of bytes',
    reconnect: 'yes',
  },
  badRequest: {
    code: 4400,
    name: 'bad_request',
    meaning:
      'a frame was binary or not a JSON object, its op was not a string, or its id neither a string nor a number',
    reconnect: 'after a change',
  },
  token: {
    code: 4401,
    name: 'token',
    meaning: 'the token has ended or was revoked, or the connection had none where no stream is public',
    reconnect: 'after a change',
  },
  denied: {
    code: 4403,
    name: 'denied',
    meaning: 'an operator has cut the connection, or banned its client',
    reconnect: 'after a change',
  },
  noPong: { code: 4408, name: 'no_pong', meaning: 'no pong came in time', reconnect: 'yes' },
  tooMany: {
    code: 4429,
    name: 'too_many',
    meaning:
      'a limit was passed: connections of a subject (Socket.IO), 256 requests without acknowledgement, 1 MiB of requests behind an auth, 100 that were rate_limited (a second without one clears the count), or more than 50 pings in 10 s',
    reconnect: 'yes',
  },
  setUpFailed: {
    code: 4500,
    name: 'setup_failed',
    meaning:
      'the node failed to set the connection up, or cannot check its token now; on WebSocket it does not occur',
    reconnect: 'yes',
  },
  backfillFailed: {
    code: 4503,
    name: 'backfill_failed',
    meaning: 'what an acknowledged subscription was to begin with could not be read from the log',
    reconnect: 'yes',
  },
} as const satisfies Record<string, CloseCode>;
