/**
 * The stream log, which defines the order of messages. A publish is committed if and only if the log has it.
 *
 * Duties of every implementation, each checked by `spec/log/stream-log.contract.ts`:
 *
 * 1. `append` is atomic for its entries: it assigns contiguous seqs, stores the entries, updates the last values and
 *    announces the batch, or does none of this.
 * 2. Each log instance announces batches in the order of their seqs, to every follower, including the one on the
 *    appending node: no node delivers its own messages early. An announcement may be lost, so followers compare their
 *    position with the log's by `check`.
 * 3. A seq has a meaning only together with its epoch. When a log has lost messages that were announced, its epoch is
 *    rotated exactly once, even if several nodes notice.
 *
 * Why an epoch is needed: a Redis replica that is promoted with older data assigns the same seqs again to other
 * messages, and a client that resumed by seq alone would silently miss them.
 */

/**
 * One message to append. `data` is JSON text without line breaks and without white space around it, or `TOMBSTONE`, which
 * ends the key: the message is appended like any other, and the key has no last value afterwards.
 */
export interface AppendEntry {
  readonly key: string;
  readonly data: string;
  /**
   * The publisher's id for this message: a repeat within {@link IDEMPOTENCY_MS} is not appended again. It belongs to the
   * subject and the key: others may use the same.
   */
  readonly id?: string;
  /** Who publishes. Missing for the hub's own feeds, connectors and anonymous publishers. */
  readonly subject?: string | undefined;
  /** Trace context of the publish, as in a `traceparent` header; announced with the message but not stored. */
  readonly trace?: string;
  /** The message's position in a source that can be re-read; used instead of an `id`. */
  readonly origin?: Origin;
}

/**
 * The position of a message in its source, such as a table, a replication slot or another log. The log stores the last
 * position of each source together with its messages. A reader of the source can therefore be killed at any moment and
 * restart from any earlier position, at any later time, without losing or duplicating a message. An `id` is forgotten
 * after a while; a position is not.
 *
 * The appender must send a source's messages in the order of their positions, and must not send one before all earlier
 * ones of the same stream have been answered: everything at or below the last position counts as appended.
 */
export interface Origin {
  /** Name of the source; no white space. */
  readonly source: string;
  /** No white space. Later positions compare greater byte by byte, so numbers are padded. */
  readonly position: string;
}

/** The outcome for one entry. */
export type AppendResult =
  | {
      readonly status: 'appended' | 'duplicate';
      readonly seq: number;
      readonly epoch: string;
      /** Log time, ms since the Unix epoch. */
      readonly time: number;
    }
  /**
   * `conflict`: the id was used by this subject for another message of this key. `too_many_keys`: the key is new and the
   * stream already has its maximum number of keys. `values_full`: the last values would take more bytes than they may.
   * `keys_of_subject`, `values_of_subject`, `bytes_of_subject`: the subject has as many keys, or bytes in their last
   * values, or bytes in the log, as it may have.
   * `ids_full`: the ids that are remembered, of all or of the subject, leave no room. `passed`: the stream has already reached or passed this
   * position of the source. `unknown_key`: there is no value to delete.
   */
  | { readonly status: AppendRefusal };

/** Why an entry was not appended. */
export type AppendRefusal =
  | 'conflict'
  | 'too_many_keys'
  | 'values_full'
  | 'values_of_subject'
  | 'keys_of_subject'
  | 'bytes_of_subject'
  | 'ids_full'
  | 'passed'
  | 'unknown_key';

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
  /** The trace of each message that has one; missing if none has. */
  readonly traces?: readonly (string | undefined)[];
}

/** The state of a stream's log. */
export interface LogTop {
  /** null: the log is empty and has no epoch yet, or lost everything. */
  readonly epoch: string | null;
  /** Seq of the newest message; 0 if there has been none. */
  readonly top: number;
  /** Seq of the oldest message that is still stored; `top + 1` if none is. */
  readonly first: number;
  /** The message at the requested seq, or null if the log does not hold it. */
  readonly own: LogEntry | null;
  /** Seq of the newest message that deleted a key; missing: none did in this epoch. */
  readonly tombstone?: number;
  /** Messages from before this moment of the log's clock, ms, and the last values that they are, are not kept. */
  readonly oldest: number;
  /** The highest seq of a last value that has ended: of keys without one, messages up to here may be unknown. */
  readonly ended: number;
  /** How many last values there are; missing where none can get lost. */
  readonly keys?: number;
  /** All messages, or all last values, are gone, though none of them was trimmed or ended: evicted, or deleted by hand. */
  readonly lost?: 'messages' | 'values';
  /** The server that answered, where the log may move between several servers; otherwise missing. */
  readonly server?: string;
}

/** How much of a stream is kept. */
export interface Retention {
  /** Number of newest messages to keep (the log may keep a few more). */
  readonly maxMessages: number;
  /** Messages older than this, in ms, are trimmed, and last values that are older end. */
  readonly maxAgeMs: number;
  /**
   * Bytes of the log and the last values together: keys, data, and roughly what the log adds to each. The oldest
   * messages are trimmed; last values may take half, and then a value that would grow them is refused.
   */
  readonly maxBytes: number;
  /** Maximum number of different keys; a message that would add another key is refused. */
  readonly maxKeys: number;
  /** Of these, how many one subject may have created. Default: nine tenths. */
  readonly maxKeysPerSubject?: number | undefined;
  /** Bytes of one subject's messages in the log; a message beyond is refused. Default: no limit. */
  readonly maxBytesPerSubject?: number | undefined;
}

/** How many keys of a stream one subject may have created. */
export function keysOfOneSubject({ maxKeys, maxKeysPerSubject }: Retention): number {
  return maxKeysPerSubject ?? Math.ceil(maxKeys * 0.9);
}

/** How long a publisher's id is remembered, ms. */
export const IDEMPOTENCY_MS = 5 * 60_000;

/** What {@link StreamLog.clear} has done. */
export interface Cleared {
  /** The epoch in force afterwards. */
  readonly epoch: string;
  /** How many keys had a value. */
  readonly keys: number;
}

export interface StreamLog {
  /** False while the log is known to be unreachable; `append` then fails at once. */
  readonly available: boolean;

  /**
   * Appends in order. The entries of one call stay together.
   *
   * @throws HubError `log_unavailable` if the log did not answer: whether the entries were committed is then unknown,
   *   and a repeat with the same `id` finds out. `overloaded` if too much is waiting already: nothing was committed.
   */
  append(stream: string, entries: readonly AppendEntry[]): Promise<AppendResult[]>;

  /**
   * The top of the log, and the entry at `ownSeq` (0: none wanted). Trims entries that are too old, and ends some of
   * the last values that are.
   */
  check(stream: string, ownSeq: number): Promise<LogTop>;

  /** Begins a new epoch if the current one is still `expected`. @returns the epoch in force afterwards. */
  rotate(stream: string, expected: string | null): Promise<string>;

  /** Entries with `from <= seq <= to`, ascending, at most `limit`. Trimmed entries are missing. */
  range(stream: string, from: number, to: number, limit: number): Promise<LogEntry[]>;

  /**
   * The newest entry of each key, ascending by seq. It is kept until its age ends it, even if the log has trimmed that
   * entry to make room.
   */
  lastValues(stream: string): Promise<LogEntry[]>;

  /**
   * Puts last values back that the log has lost, unless the epoch or the newest tombstone (0: none) is another one by now, or
   * their keys have newer ones. @returns how many
   */
  restore(stream: string, epoch: string, tombstone: number, values: readonly LogEntry[]): Promise<number>;

  /**
   * Deletes all messages and last values, and begins a new epoch, which is announced. Seqs go on; positions of sources and
   * ids of publications stay. Changes nothing where there is nothing to delete.
   */
  clear(stream: string): Promise<Cleared>;

  /** Calls `listener` with each announced batch of every configured stream, from now on. One listener. */
  follow(listener: LogListener): void;

  close(): Promise<void>;
}

/** The follower of a log. Its methods do not throw. */
export interface LogListener {
  /** A batch was announced. */
  batch(batch: LogBatch): void;
  /** An append through this node found that the log had lost what was announced, and began a new epoch. */
  lostByAppend?(stream: string): void;
  /** Announcements of one stream, or of all, may be missed from now on: the connection that carries them is gone. */
  interrupted(stream?: string): void;
  /** Announcements of one stream, or of all, arrive again; those made in between were missed. */
  resumed(stream?: string): void;
}
