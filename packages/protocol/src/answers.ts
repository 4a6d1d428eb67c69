/**
 * Acknowledgements on the wire: the answer to each operation of `requests.ts`. The name of an operation determines the
 * type of its answer, `ok` distinguishes an answer from a refusal, and `recovered` is the outcome for each topic.
 */
import type { ErrorBody } from './errors.js';
import type { Message, NotRecovered, StreamInfo, TopicVerdict } from './message.js';
import type { OperationName } from './requests.js';

/** Sent before the first message of the subscription. */
export interface SubscribeAnswer {
  /** One for each topic, in the order of the request. */
  readonly topics: readonly TopicVerdict[];
  /** The cursor to resume from until the connection gets its next one. */
  readonly cursor: string;
  /**
   * Socket.IO: the client was here before, its session was not resumed, and this request has no `since`. What was
   * published in the meantime does not come.
   */
  readonly cursorMissing?: true;
}

export interface UnsubscribeAnswer {
  /** The topics that the connection still reads. */
  readonly topics: readonly string[];
}

/** The log has committed the message. */
export interface PublishAnswer {
  readonly topic: string;
  readonly seq: number;
  readonly epoch: string;
  /** Log time, ms since the Unix epoch. */
  readonly time: number;
  /** The id was known, and nothing was appended: this is the answer to the first publication. */
  readonly duplicate?: true;
}

/** Whether a page of history follows its `since` without a gap. Without `since` it says nothing. */
export type PageVerdict =
  | { readonly recovered?: undefined; readonly reason?: undefined }
  | { readonly recovered: true; readonly reason?: undefined }
  /** The messages are the newest of the topic. */
  | { readonly recovered: false; readonly reason: NotRecovered };

/** Past messages of one topic. */
export type HistoryPage<Item> = PageVerdict & {
  readonly topic: string;
  /** Ascending by seq. */
  readonly messages: readonly Item[];
  /** Where to continue: `since` of the next call, or of a `subscribe`. */
  readonly cursor: string;
  /** There is more of the stream after this; the next page may still be empty. */
  readonly more: boolean;
};

export type HistoryAnswer<Data = unknown> = HistoryPage<Message<Data>>;

export interface AuthAnswer {
  /** Whose token it is. Missing: nobody's. */
  readonly subject?: string;
  /** When it ends, ms since the Unix epoch; missing if it never does. */
  readonly expiresAt?: number;
  /** The streams that may now be read, in whole or in part. */
  readonly streams: readonly StreamInfo[];
  /** The topics that the connection reads. */
  readonly topics: readonly string[];
  /** The topics that it may no longer read. */
  readonly ended: readonly string[];
}

/** The answers to successful requests, besides `ok`, by the name of the operation. */
export interface Answers {
  readonly subscribe: SubscribeAnswer;
  readonly unsubscribe: UnsubscribeAnswer;
  readonly publish: PublishAnswer;
  readonly history: HistoryAnswer;
  readonly auth: AuthAnswer;
}

/** A request that was refused and has changed nothing. */
export interface Refused {
  readonly ok: false;
  readonly error: ErrorBody;
}

/** The one acknowledgement of a request, to be narrowed by `ok`. Without a name: that of any operation. */
export type Ack<Name extends OperationName = OperationName> = AckOf<Answers[Name]>;

/** Distributes over a union of answers, so that `ok` narrows it. */
type AckOf<Answer> = Answer extends unknown ? (Answer & { readonly ok: true }) | Refused : never;
