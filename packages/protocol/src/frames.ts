/**
 * What a hub sends to its connections, in the form of each transport. The contents are the same: a WebSocket frame has
 * the fields of an event next to its name, `op`; Socket.IO has the name as that of its event, and a cursor as the last
 * argument; SSE has the cursor as the `id` of the event.
 */
import type { Ack } from './answers.js';
import type { ErrorBody } from './errors.js';
import type {
  ConnectionInfo,
  DegradedInfo,
  DrainInfo,
  ExpiringInfo,
  GapInfo,
  Message,
  TopicVerdict,
  WelcomeInfo,
} from './message.js';
import type { OperationName, Requests } from './requests.js';

/** A frame that does not answer a request. `op` is the name of the event. */
export type EventFrame =
  | (WelcomeInfo & { readonly op: 'welcome'; readonly cursor: string })
  | { readonly op: 'message'; readonly message: Message; readonly cursor: string }
  | { readonly op: 'position'; readonly cursor: string }
  | (GapInfo & { readonly op: 'gap' })
  | (DegradedInfo & { readonly op: 'degraded' })
  | (DrainInfo & { readonly op: 'drain' })
  | (ExpiringInfo & { readonly op: 'expiring' });

/** Names of the events that a client should know; it ignores others. */
export type EventName = EventFrame['op'];

/** The answer to a request on a WebSocket. `id` is the request's, if it had one. */
export type AckFrame<Name extends OperationName = OperationName> = Ack<Name> & {
  readonly op: 'ack';
  readonly id?: string | number;
};

/** Any frame that a hub sends on a WebSocket, to be narrowed by `op`. */
export type ServerFrame = EventFrame | AckFrame;

/** A request on a WebSocket. The id of a publication is `messageId` here: `id` is the request's. */
export type RequestFrame = { [Name in OperationName]: RequestFrameOf<Name> }[OperationName];

type RequestFrameOf<Name extends OperationName> = Omit<Requests[Name], 'id'> & {
  readonly op: Name;
  readonly id?: string | number;
} & (Requests[Name] extends { readonly id?: infer Id } ? { readonly messageId?: Id } : unknown);

/** Events of a Socket.IO connection and their arguments, in the form of the `Socket` types. */
export interface SocketEvents {
  welcome(info: WelcomeInfo, cursor: string): void;
  message(message: Message, cursor: string): void;
  position(cursor: string): void;
  gap(info: GapInfo): void;
  degraded(info: DegradedInfo): void;
  drain(info: DrainInfo): void;
  expiring(info: ExpiringInfo): void;
}

/** Requests of a Socket.IO connection: each is an event with one argument, and an acknowledgement. */
export type SocketRequests = {
  [Name in OperationName]: (request: Requests[Name], acknowledge: (ack: Ack<Name>) => void) => void;
};

/** The first `position` of an event stream: its welcome, and the outcome for its topics. */
export type OpeningInfo = ConnectionInfo & {
  readonly topics: readonly TopicVerdict[];
  readonly cursor: string;
} & (
    | { readonly recovered?: undefined; readonly reason?: undefined }
    /** The cursor is not one of this hub, and the topics begin as if there were none. */
    | { readonly recovered: false; readonly reason: 'bad_cursor' }
  );

/** Events of an event stream by name, and the JSON of their `data`. A `message` has no `event:` line. */
export interface StreamEvents {
  message: Message;
  position: OpeningInfo | { readonly cursor: string };
  gap: GapInfo;
  degraded: DegradedInfo;
  drain: DrainInfo;
  expiring: ExpiringInfo;
  /** The one event of a stream that is not served now: the stream ends, and the client comes back after that time. */
  refused: ErrorBody & { readonly retryAfterMs: number };
}
