/**
 * The stream log: where order is made. A publish is committed when, and only when, the log has it.
 *
 * Duties of every implementation, each checked by `spec/log/stream-log.contract.ts`:
 *
 * 1. `append` is atomic for its entries: it gives contiguous seqs, stores, updates the last values and announces
 *    the batch, or does none of it.
 * 2. Batches are announced in the order of their seqs by each log instance, to every follower, the appender's own
 *    node included: nobody delivers local-first. An announcement may be lost; the log never is, so followers compare
 *    themselves with `check`.
 * 3. A seq means something only together with its epoch. When a log has lost messages that were announced, its epoch
 *    is rotated, once, however many nodes notice.
 *
 * An offset without an epoch lies: a Redis replica promoted with older data hands out the same seqs again for other
 * messages, and a client that resumed by seq alone would silently miss them.
 */

/** One message to append. `data` is JSON text without line breaks. */
export interface AppendEntry {
  readonly key: string;
  readonly data: string;
  /** The publisher's id for this message: a repeat within the idempotency time is not appended again. */
  readonly id?: string;
  /** Trace context of the publication, as in a `traceparent` header: it is announced with the message, and not kept. */
  readonly trace?: string;
  /** Where the message stands in a source that can be read again from an earlier place; in place of an `id`. */
  readonly origin?: Origin;
}

/**
 * The place of a message in its source: a table, a replication slot, another log. The log keeps the last position of
 * each source together with its messages, so that a reader of the source which was killed at any moment, and begins
 * again wherever it likes, neither loses nor doubles, however much later. An `id` is forgotten after a while; this is
 * not.
 *
 * Whoever appends sends a source's messages in the order of their positions, and none before all earlier ones of the
 * same stream were answered: what is at or below the last position counts as appended.
 */
export interface Origin {
  /** Name of the source, without white space. */
  readonly source: string;
  /** Without white space. Later positions are greater, byte by byte: numbers are padded. */
  readonly position: string;
}

/** What became of one entry. */
export type AppendResult =
  | {
      readonly status: 'appended' | 'duplicate';
      readonly seq: number;
      readonly epoch: string;
      /** Log time, ms since the Unix epoch. */
      readonly time: number;
    }
  /**
   * `conflict`: the id was used for another message. `too_many_keys`: the key is new and the stream is full. `passed`:
   * the stream is at this position of the source already, or beyond it.
   */
  | { readonly status: 'conflict' | 'too_many_keys' | 'passed' };

/** One stored message. */
export interface LogEntry {
  readonly seq: number;
  /** Log time, ms since the Unix epoch. */
  readonly time: number;
  readonly key: string;
  /** JSON text. */
  readonly data: string;
}

/** Messages that were appended together: seqs `first`, `first + 1`, … and one time. */
export interface LogBatch {
  readonly stream: string;
  readonly epoch: string;
  readonly first: number;
  readonly time: number;
  readonly keys: readonly string[];
  /** JSON texts. */
  readonly data: readonly string[];
  /** As {@link LogTop.server}. */
  readonly server?: string;
  /** The trace of each message that has one; missing where none has. */
  readonly traces?: readonly (string | undefined)[];
}

/** The state of a stream's log. */
export interface LogTop {
  /** null: the log is empty and has no epoch yet, or lost everything. */
  readonly epoch: string | null;
  /** Seq of the newest message; 0 where there was none. */
  readonly top: number;
  /** Seq of the oldest message that is still there; `top + 1` where none is. */
  readonly first: number;
  /** The message under the seq that was asked for, or null where the log does not hold one. */
  readonly own: LogEntry | null;
  /** Which of several servers that hold the log in turn has answered; missing where there are not several. */
  readonly server?: string;
}

/** How a stream is kept. */
export interface Retention {
  /** The newest so many messages are kept (the log may keep a few more). */
  readonly maxMessages: number;
  /** Messages older than this, in ms, are trimmed. */
  readonly maxAgeMs: number;
  /** So many different keys at most; a message with one more is refused. */
  readonly maxKeys: number;
}

/** How long a publisher's id is remembered. */
export const IDEMPOTENCY_MS = 5 * 60_000;

export interface StreamLog {
  /** False while the log is known to be out of reach; `append` then fails at once. */
  readonly available: boolean;

  /**
   * Appends in order. Entries of one call that are given together stay together.
   *
   * @throws HubError `log_unavailable` where the log did not answer. Whether the entries were committed is then
   *   unknown; a repeat with the same `id` finds out. `overloaded` where too much is waiting already: not committed.
   */
  append(stream: string, entries: readonly AppendEntry[]): Promise<AppendResult[]>;

  /** The top of the log, and what it holds under `ownSeq` (0: do not ask). Trims what is too old. */
  check(stream: string, ownSeq: number): Promise<LogTop>;

  /** Begins a new epoch if the present one is still `expected`. @returns the epoch that is in force then. */
  rotate(stream: string, expected: string | null): Promise<string>;

  /** Entries with `from <= seq <= to`, ascending, at most `limit`. Trimmed ones are missing. */
  range(stream: string, from: number, to: number, limit: number): Promise<LogEntry[]>;

  /** The newest entry of each key, ascending by seq; these outlive their trimming from the log. */
  lastValues(stream: string): Promise<LogEntry[]>;

  /** Calls `listener` with each announced batch of every configured stream, from now on. One listener. */
  follow(listener: LogListener): void;

  close(): Promise<void>;
}

/** The follower of a log. Its methods do not throw. */
export interface LogListener {
  /** A batch was announced. */
  batch(batch: LogBatch): void;
  /** Announcements may be missing from now on, of one stream or of all: the connection that brings them is gone. */
  interrupted(stream?: string): void;
  /** Announcements come (again), of one stream or of all; what was announced in between is lost. */
  resumed(stream?: string): void;
}
