/**
 * Messages on the wire, and the vocabulary that the three transports share.
 */

/** One message of a stream, as clients see it. */
export interface Message<Data = unknown> {
  /** `stream:key` */
  readonly topic: string;
  /** Contiguous from 1 per stream and epoch. */
  readonly seq: number;
  /** When the log took it: ms since the Unix epoch, by the clock of the log. */
  readonly time: number;
  /** Any JSON value; null in a message that deletes its key. */
  readonly data: Data;
  /** The key was deleted: it has no value until the next message of it. Its earlier messages stay as they were. */
  readonly deleted?: true;
  /** How many messages were folded into this one; missing if conflation was not requested and none took place. */
  readonly conflated?: number;
}

/**
 * What a log stores as the data of a message that deletes its key. It is JSON, so that every reader of stored data can
 * parse it, and no publication has it: data is stored without white space around it.
 */
export const TOMBSTONE = ' null';

/**
 * The JSON text of a message around the JSON text of its data, which is never parsed on the way.
 *
 * @param data JSON text, or {@link TOMBSTONE}
 * @param conflated how many messages were folded into this one; undefined: it is not conflated
 */
export function messageText(
  topic: string,
  seq: number,
  time: number,
  data: string,
  conflated?: number,
): string {
  const end = conflated === undefined ? '' : `,"conflated":${conflated}`;
  const value = data === TOMBSTONE ? 'null,"deleted":true' : data;
  return `{"topic":"${topic}","seq":${seq},"time":${time},"data":${value}${end}}`;
}

/** Why a topic could not be resumed from a cursor. */
export type NotRecovered =
  /** The log began a new epoch: seqs before and after cannot be compared. */
  | 'epoch_changed'
  /** Messages of the topic have been trimmed from the log. */
  | 'trimmed'
  /** The cursor is ahead of the log. */
  | 'ahead'
  /** More messages of the stream were missed than one recovery may scan. */
  | 'limit'
  /** The cursor says nothing about this topic's stream. */
  | 'no_position'
  /** The topic is conflated: instead of the missed messages, the newest one of each changed key follows. */
  | 'conflated'
  /** The token that the client came back with does not allow it. */
  | 'denied';

/** The outcome for one topic of a `subscribe`. Without `since` there is nothing to recover and no verdict. */
export type TopicVerdict =
  | { readonly topic: string; readonly recovered?: undefined; readonly reason?: undefined }
  /** Everything missed follows. */
  | { readonly topic: string; readonly recovered: true; readonly reason?: undefined }
  /**
   * The missed messages do not follow; the topic begins as a new subscription, or conflated. After `denied`, and where
   * a Socket.IO session is not taken up, nothing follows.
   */
  | { readonly topic: string; readonly recovered: false; readonly reason: NotRecovered };

/** Messages of a stream that this connection will not get. */
export interface GapInfo {
  readonly stream: string;
  /** The affected topics of the connection. */
  readonly topics: readonly string[];
  readonly recovered: false;
  readonly reason: NotRecovered | 'slow';
  /** First and last missing seq, if they are known. */
  readonly from?: number;
  readonly to?: number;
  /** The current epoch. */
  readonly epoch: string;
}

/** A stream that a client may read at least in part. */
export interface StreamInfo {
  readonly name: string;
  readonly class: StreamClass;
}

/** The outcome for a session that a Socket.IO client tried to resume; missing if it did not try. */
export type SessionVerdict =
  | { readonly recovered?: undefined; readonly reason?: undefined; readonly topics?: undefined }
  | { readonly recovered: true; readonly reason?: undefined; readonly topics: readonly TopicVerdict[] }
  | {
      readonly recovered: false;
      /** That of the first topic that is lost, or why there is no session. */
      readonly reason: NotRecovered | 'session_expired';
      /** Verdict by topic, if a session was found. */
      readonly topics?: readonly TopicVerdict[];
    };

/** Which connection this is. */
export interface ConnectionInfo {
  /** Name of the node that serves it. */
  readonly node: string;
  readonly connection: string;
  /** The streams that it may read, in whole or in part. */
  readonly streams: readonly StreamInfo[];
}

/** The first event of a connection. */
export type WelcomeInfo = ConnectionInfo & SessionVerdict;

/** Tells a connection that some of its streams are degraded, or no longer are. */
export interface DegradedInfo {
  readonly degraded: boolean;
  /** `slow`: this connection reads too slowly, and gets the newest value per key until it has caught up. */
  readonly reason: 'log_unavailable' | 'slow';
  /** The streams concerned, and no others: those whose log is unreachable, or those that are conflated. */
  readonly streams: readonly string[];
}

/** The node is about to close the connection in order to restart. */
export interface DrainInfo {
  /** The connection is closed after this time, ms; the client reconnects at once, and reaches another node. */
  readonly reconnectInMs: number;
}

/** A connection's token is about to end. */
export interface ExpiringInfo {
  /** The connection is closed after this time, ms, unless it brings another token. */
  readonly expiresInMs: number;
}

/** What happens to a stream under pressure: newest value wins, oldest may be dropped, nothing may be skipped. */
export type StreamClass = 'state' | 'log' | 'ledger';
