/** The public types of the client library: options, messages, events. The protocol package has those of the wire. */

export type { DemoStreams } from '@axiom-streaming/protocol/demo-data';

import type { HistoryAnswer, PublishAnswer } from '@axiom-streaming/protocol/answers';
import type {
  DegradedInfo,
  DrainInfo,
  GapInfo,
  Message,
  TopicVerdict,
  WelcomeInfo,
} from '@axiom-streaming/protocol/message';
import type { HubError } from './hub-error.js';

/** How a connection is made. */
export type Transport = 'socketio' | 'websocket' | 'sse';

/** Types of data by stream name. Data of any other stream is `unknown`. */
export type DataOf<Streams, Topic extends string> = Topic extends `${infer Name}:${string}`
  ? Name extends keyof Streams
    ? Streams[Name]
    : unknown
  : unknown;

/** One message of a stream. */
export type HubMessage<Data = unknown> = Message<Data>;

/**
 * A token, or a function that gets one. It is called for each connection, once when the hub says that its
 * token is about to expire, and after one was refused. Where it returns the token in use, it is called again after growing
 * pauses.
 */
export type TokenSource = Token | (() => Token | Promise<Token>);

type Token = string | null | undefined;

/** Options of `connect`. */
export interface ConnectOptions {
  /** `http://host:port` of the hub, with its base path if it has one. Default: the origin of the page. */
  readonly url?: string;
  /** `auto`, the default, tries Socket.IO, WebSocket and SSE in this order; a list tries its own entries. */
  readonly transport?: 'auto' | Transport | readonly Transport[];
  /** Sent in the handshake, never in a URL. */
  readonly token?: TokenSource;
  /** Longest time that one attempt to connect may take, ms; default 8,000. */
  readonly connectTimeoutMs?: number;
  /**
   * How long `publish` and `history` wait for a connection, ms; default 10,000. After that, and at once where the hub
   * refuses the client, they are refused, and nothing was sent. At most 1 MiB waits.
   */
  readonly connectionWaitMs?: number;
  /** Longest pause between two attempts, ms; default 10,000. It is longer where the hub asks for that. */
  readonly maxBackoffMs?: number;
}

/** Options of `subscribe`. */
export interface SubscribeOptions {
  /** Cursor to continue from, from the `cursor` of an earlier subscription or page. */
  readonly since?: string;
  /** Begin with the last n messages of each topic, 1 to 10,000. */
  readonly rewind?: number;
  /** Only the newest value of each key, at most `maxRate` times a second. */
  readonly conflate?: 'latest' | 'merge';
  /** Messages per second and key. */
  readonly maxRate?: number;
  /** Messages that may wait for a slow `for await`; beyond that the oldest are dropped and reported. Default 10,000. */
  readonly maxQueued?: number;
  readonly onGap?: (gap: Gap) => void;
}

/** Messages that will not arrive. `reason` is one of the protocol's, `bad_cursor`, or `reader_slow`. */
export type Gap = Omit<GapInfo, 'reason' | 'epoch'> & { readonly reason: string; readonly epoch?: string };

/** The result of a reconnection. */
export interface Recovery {
  /** Nothing is missing on any topic. */
  readonly recovered: boolean;
  readonly topics: readonly Verdict[];
  /** Missed messages that have arrived now. */
  readonly missed: number;
  readonly awayMs: number;
  readonly node: string;
  readonly transport: Transport;
}

/**
 * `recovering`: connected again, and missed messages are on their way. `refused`: the hub has refused two new tokens in a
 * row, or its operator has banned the client, which tries again after a pause. `closed`: permanently.
 */
export type State = 'connecting' | 'connected' | 'recovering' | 'reconnecting' | 'refused' | 'closed';

/** The current state of the connection. */
export interface Status {
  readonly state: State;
  readonly transport?: Transport;
  /** What Socket.IO runs over: `websocket` or `polling`. */
  readonly via?: string;
  readonly node?: string;
  /** Since when, ms since the Unix epoch. */
  readonly since: number;
  /** Attempts since the connection was lost. */
  readonly attempt: number;
  /** Why it is not connected. */
  readonly error?: HubError;
}

/** Events of a client and the arguments of their listeners. */
export interface ClientEvents {
  status: Status;
  welcome: WelcomeInfo;
  recovered: Recovery;
  gap: Gap;
  degraded: DegradedInfo;
  drain: DrainInfo;
}

/** The outcome for a topic: the protocol's verdict, or that the hub does not know the cursor. */
export type Verdict =
  | TopicVerdict
  | { readonly topic: string; readonly recovered: false; readonly reason: 'bad_cursor' };

/** The answer to a subscription. */
export interface Subscribed {
  readonly topics: readonly Verdict[];
  readonly cursor: string;
}

/** The answer to a publication. */
export type Published = PublishAnswer;

/** One page of past messages. */
export type History<Data = unknown> = HistoryAnswer<Data>;

/** A subscription. Iterate it to get the messages, unless a callback was given. */
export interface Subscription<Data = unknown> extends AsyncIterable<HubMessage<Data>> {
  readonly topics: readonly string[];
  /** Resolves when the hub has accepted it; rejects with a {@link HubError} if it was refused. */
  readonly ready: Promise<Subscribed>;
  /** Its current position: the `since` of a later `subscribe`. */
  readonly cursor: string | undefined;
  close(): void;
}
