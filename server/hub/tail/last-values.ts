import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import { AgeingMap } from '../../time/ageing-map.js';
import type { StreamMessage } from './stream-message.js';

/** By key: its newest message; a key that was deleted or has ended has none. */
export type LastValues = ReadonlyMap<string, StreamMessage>;

/** The last values of a stream as a tail keeps them. */
export class NewestByKey extends AgeingMap<StreamMessage> {
  #tombstone = 0;

  /** Seq of the newest message that deleted a key: a key without a value may have had messages up to here. */
  get tombstone(): number {
    return this.#tombstone;
  }

  /** Seq up to which a key without a value may have had messages. */
  get goneTo(): number {
    return Math.max(this.#tombstone, this.endedTo);
  }

  /** The next message of the stream. */
  take(message: StreamMessage): void {
    if (message.data !== TOMBSTONE) {
      this.set(message.key, message);
      return;
    }
    this.delete(message.key);
    this.#tombstone = message.seq;
  }

  /** Takes the values of a log instead, with its {@link tombstone} (default: none) and {@link endedTo}. */
  replace(messages: readonly StreamMessage[], tombstone = 0, endedTo = 0): void {
    this.clear();
    this.endedTo = endedTo;
    for (const message of messages) this.set(message.key, message);
    this.#tombstone = tombstone;
  }

  /** The messages from one seq to another were lost. @param messages all last values of the log after that */
  lose(messages: readonly StreamMessage[], from: number, to: number): void {
    const kept = new Set(messages.map(({ key }) => key));
    for (const key of [...this.keys()]) if (!kept.has(key)) this.delete(key);
    for (const message of messages) {
      if (message.seq >= from && message.seq <= to) this.set(message.key, message);
    }
  }
}

/** The newest message of each of these keys (`*`: of every key), ascending by seq. */
export function snapshot(lastValues: LastValues, keys: ReadonlySet<string>): StreamMessage[] {
  const newest = keys.has(ALL_KEYS)
    ? [...lastValues.values()]
    : [...keys].flatMap((key) => lastValues.get(key) ?? []);
  return newest.sort((a, b) => a.seq - b.seq);
}

/** As {@link snapshot}, of one key, without what has not changed after `since`, a seq. */
export function changedSince(lastValues: LastValues, key: string, since: number): StreamMessage[] {
  return snapshot(lastValues, new Set([key])).filter(({ seq }) => seq > since);
}
