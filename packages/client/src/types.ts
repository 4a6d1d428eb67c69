/** What users of the client library see: options, messages, events. The wire's own shapes are the protocol's. */

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

/** Data by stream name. A stream that is not in it has `unknown` data. */
export type DataOf<Streams, Topic extends string> = Topic extends `${infer Name}:${string}`
  ? Name extends keyof Streams
    ? Streams[Name]
    : unknown
  : unknown;

/** One message of a stream. */
export type HubMessage<Data = unknown> = Message<Data>;

/**
 * A token, or how to get one. It is asked at each connection, when the hub says that a token is about to end, and after
 * one was refused.
 */
export type TokenSource = string | (() => string | undefined | Promise<string | undefined>);

/** Options of `connect`. */
export interface ConnectOptions {
  /** `http://host:port` of the hub, with its base path if it has one. Default: the origin of the page. */
  readonly url?: string;
  /** `auto`, the default, tries Socket.IO, WebSocket and SSE in this order; a list tries those of the list. */
  readonly transport?: 'auto' | Transport | readonly Transport[];
  /** Sent in the handshake, never in an address. */
  readonly token?: TokenSource;
  /** Longest time that one attempt to connect may take, ms; default 8,000. */
  readonly connectTimeoutMs?: number;
  /**
   * How long `publish` and `history` wait for a connection, ms; default 10,000. After that they are refused, and
   * nothing was sent. At most 1 MiB waits.
   */
  readonly connectionWaitMs?: number;
  /** Longest pause between two attempts, ms; default 10,000. */
  readonly maxBackoffMs?: number;
}

/** Options of `subscribe`. */
export interface SubscribeOptions {
  /** Cursor to go on from, one that an earlier `cursor` has told. */
  readonly since?: string;
  /** Begin with the last n messages of each topic, 1 to 10,000. */
  readonly rewind?: number;
  /** Only the newest value of each key, at most `maxRate` times a second. */
  readonly conflate?: 'latest' | 'merge';
  /** Messages per second and key. */
  readonly maxRate?: number;
  /** Messages that wait for a slow `for await`; beyond it the oldest are dropped and told as a gap. Default 10,000. */
  readonly maxQueued?: number;
  readonly onGap?: (gap: Gap) => void;
}

/** Messages that will not come. `reason` is one of the protocol's, `bad_cursor`, or `reader_slow`. */
export type Gap = Omit<GapInfo, 'reason' | 'epoch'> & { readonly reason: string; readonly epoch?: string };

/** What came of a connection that was lost and made again. */
export interface Recovery {
  /** Nothing is missing on any topic. */
  readonly recovered: boolean;
  readonly topics: readonly Verdict[];
  /** Messages that had been missed and are here now. */
  readonly missed: number;
  readonly awayMs: number;
  readonly node: string;
  readonly transport: Transport;
}

/** `recovering`: connected again, and what was missed is on its way. `closed`: for good. */
export type State = 'connecting' | 'connected' | 'recovering' | 'reconnecting' | 'closed';

/** The connection as it is now. */
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

/** Events of a client and what their listeners get. */
export interface ClientEvents {
  status: Status;
  welcome: WelcomeInfo;
  recovered: Recovery;
  gap: Gap;
  degraded: DegradedInfo;
  drain: DrainInfo;
}

/** What became of a topic: the protocol's verdict, or that the hub does not know the cursor. */
export type Verdict =
  | TopicVerdict
  | { readonly topic: string; readonly recovered: false; readonly reason: 'bad_cursor' };

/** What a subscription was answered with. */
export interface Subscribed {
  readonly topics: readonly Verdict[];
  readonly cursor: string;
}

/** What a publication was answered with. */
export type Published = PublishAnswer;

/** One page of the past. */
export type History<Data = unknown> = HistoryAnswer<Data>;

/** Topics that are read. Iterating it gives the messages, where no callback was given. */
export interface Subscription<Data = unknown> extends AsyncIterable<HubMessage<Data>> {
  readonly topics: readonly string[];
  /** Resolves when the hub has said yes, rejects with a {@link HubError} when it has said no. */
  readonly ready: Promise<Subscribed>;
  /** Where it is now: `since` of a later `subscribe`. */
  readonly cursor: string | undefined;
  close(): void;
}
