/**
 * The requests of a socket, on the wire. Socket.IO sends one as the argument of an event with the name of the
 * operation; WebSocket as a frame with `op` and `id`, where the `id` of a publication is called `messageId`.
 */

/** Reads topics: from a cursor, from the last messages, or from now. */
export interface SubscribeRequest {
  /** `stream:key` or `stream:*`; at least one. */
  readonly topics: readonly string[];
  /** A cursor: the messages after it come first. Not together with `rewind`. */
  readonly since?: string | undefined;
  /** The newest messages per topic come first; 1 to 10,000. */
  readonly rewind?: number | undefined;
  /** Together with `maxRate`. `latest`: a newer message replaces the older; `merge`: its fields are laid over them. */
  readonly conflate?: 'latest' | 'merge' | undefined;
  /** Messages per second and key; above 0, to 1000. */
  readonly maxRate?: number | undefined;
}

/** Stops reading topics. */
export interface UnsubscribeRequest {
  readonly topics: readonly string[];
}

/** Appends one message to a stream. */
export interface PublishRequest {
  /** `stream:key` */
  readonly topic: string;
  /** Any JSON value. */
  readonly data?: unknown;
  /** 1 to 256 characters. A repeat with the same id within five minutes appends nothing. */
  readonly id?: string | undefined;
  /** W3C trace context of the publisher. */
  readonly traceparent?: string | undefined;
}

/** Reads past messages of one topic. */
export interface HistoryRequest {
  readonly topic: string;
  /** A cursor: messages after it. Missing: the newest ones. */
  readonly since?: string | undefined;
  /** 1 to 1000; default 100. Fewer come where they are large: see `HistoryPage.more`. */
  readonly limit?: number | undefined;
}

/** Says who the connection is, or renews its token in place. */
export interface AuthRequest {
  /** Null: the connection has none, which changes nothing. */
  readonly token: string | null;
}

/** The fields of each request, by the name of its operation. */
export interface Requests {
  readonly subscribe: SubscribeRequest;
  readonly unsubscribe: UnsubscribeRequest;
  readonly publish: PublishRequest;
  readonly history: HistoryRequest;
  readonly auth: AuthRequest;
}

export type OperationName = keyof Requests;
