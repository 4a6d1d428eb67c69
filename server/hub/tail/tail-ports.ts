import type { NotRecovered } from '@axiom-streaming/protocol/message';
import type { StreamLog } from '../../log/stream-log.js';
import type { StreamMessage } from './stream-message.js';

/** What a tail asks of the stream log. */
export type TailLog = Pick<StreamLog, 'check' | 'rotate' | 'range' | 'lastValues' | 'restore'>;

/** How far a stream has been followed. */
export interface TailPosition {
  readonly stream: string;
  readonly epoch: string;
  /** Seq of the last message that was delivered. */
  readonly last: number;
}

/** Is notified about a tail. */
export interface TailListener {
  /** The next message of the stream. */
  message(tail: TailPosition, message: StreamMessage): void;
  /** These messages existed and are no longer available. */
  lost(tail: TailPosition, from: number, to: number, reason: NotRecovered): void;
  /** A new epoch: seqs, window and last values were reset. */
  epochChanged(tail: TailPosition): void;
}
