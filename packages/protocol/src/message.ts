/**
 * Messages as they go over the wire, and the words that the three transports share.
 */

/** One message of a stream, as clients see it. */
export interface Message {
  /** `stream:key` */
  readonly topic: string;
  /** Contiguous from 1 per stream and epoch. */
  readonly seq: number;
  /** When the log took it: ms since the Unix epoch, by the clock of the log. */
  readonly time: number;
  /** Any JSON value. */
  readonly data: unknown;
  /** How many messages were folded into this one; missing where nobody asked for conflation and none was. */
  readonly conflated?: number;
}

/**
 * The JSON text of a message around the JSON text of its data, which is never parsed on the way.
 *
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
  return `{"topic":"${topic}","seq":${seq},"time":${time},"data":${data}${end}}`;
}

/** Why a topic could not be resumed from a cursor. */
export type NotRecovered =
  /** The log began a new life: seqs before and after cannot be compared. */
  | 'epoch_changed'
  /** Messages that matched have been trimmed from the log. */
  | 'trimmed'
  /** The cursor is ahead of the log. */
  | 'ahead'
  /** More was missed than one connection may replay. */
  | 'limit'
  /** The cursor says nothing about this topic's stream. */
  | 'no_position'
  /** The topic is conflated: not what was missed follows, but the newest message of each key that has changed. */
  | 'conflated'
  /** The token that the client came back with does not allow it. */
  | 'denied';

/** What became of one topic of a `subscribe`. Without `since` there is nothing to recover and no verdict. */
export interface TopicVerdict {
  readonly topic: string;
  readonly recovered?: boolean;
  readonly reason?: NotRecovered;
}

/** Messages of a stream that this connection will not get. */
export interface GapInfo {
  readonly stream: string;
  /** Only these topics of the connection are concerned. */
  readonly topics: readonly string[];
  readonly recovered: false;
  readonly reason: NotRecovered | 'slow';
  /** First and last seq that are missing, where they are known. */
  readonly from?: number;
  readonly to?: number;
  /** The epoch that is in force now. */
  readonly epoch: string;
}

/** The first thing a connection is told. */
export interface WelcomeInfo {
  readonly node: string;
  readonly connection: string;
  readonly streams: readonly { readonly name: string; readonly class: StreamClass }[];
  /** Only where the client tried to resume. */
  readonly recovered?: boolean;
  readonly reason?: NotRecovered | 'session_expired';
  /** Verdict by topic, where a session was resumed. */
  readonly topics?: readonly TopicVerdict[];
}

/** What a connection is told when some of its streams are served worse, or again as they should be. */
export interface DegradedInfo {
  readonly degraded: boolean;
  /** `slow`: this connection reads too slowly, and gets the newest value per key until it has caught up. */
  readonly reason: 'log_unavailable' | 'slow';
  /** The streams concerned, and no others: those whose log is out of reach, or those that are conflated. */
  readonly streams: readonly string[];
}

/** A connection's token is about to end. */
export interface ExpiringInfo {
  /** The connection is closed after so long, unless it brings another token. */
  readonly expiresInMs: number;
}

/** What happens to a stream under pressure: newest value wins, oldest may be dropped, nothing may be skipped. */
export type StreamClass = 'state' | 'log' | 'ledger';
