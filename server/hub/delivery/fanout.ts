import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import type { ReaderCounts } from '../counters.js';
import type { StreamMessage } from '../tail/stream-message.js';

/** What the fan-out asks of a reader. */
export interface FanoutReader {
  readonly keys: ReadonlySet<string>;
  /** True while its messages go through {@link take}, and not to its connection at once. */
  readonly apart: boolean;
  readonly outlet: { deliver(message: StreamMessage): void };
  take(message: StreamMessage): void;
}

/**
 * Which readers want which keys of one stream, and how a message gets to them: the hot path.
 *
 * A reader of the whole stream is only in the list of all keys, even if it also asked for single keys, so that no
 * reader gets a message twice.
 */
export class Fanout<Reader extends FanoutReader> {
  readonly #byKey = new Map<string, Reader[]>();
  /** How the stream's messages were delivered so far, summed over its readers. */
  readonly counts: ReaderCounts = { delivered: 0, conflated: 0, dropped: 0 };

  /** Takes the reader's keys as they are now. */
  update(reader: Reader, before: ReadonlySet<string>): void {
    const [from, to] = [effective(before), effective(reader.keys)];
    for (const key of from) if (!to.has(key)) this.#remove(key, reader);
    for (const key of to) if (!from.has(key)) this.#add(key, reader);
  }

  /** Messages handed to connections so far. */
  get delivered(): number {
    return this.counts.delivered;
  }

  deliver(message: StreamMessage): void {
    this.#deliverTo(this.#byKey.get(message.key), message);
    this.#deliverTo(this.#byKey.get(ALL_KEYS), message);
  }

  // Nothing is written to connections here, so no reader joins or leaves while a list is walked.
  #deliverTo(readers: readonly Reader[] | undefined, message: StreamMessage): void {
    if (readers === undefined) return;
    let apart = 0;
    for (let i = 0; i < readers.length; i++) {
      const reader = readers[i]!;
      if (reader.apart) {
        apart += 1;
        reader.take(message);
      } else reader.outlet.deliver(message);
    }
    this.counts.delivered += readers.length - apart;
  }

  #add(key: string, reader: Reader): void {
    const readers = this.#byKey.get(key);
    if (readers === undefined) this.#byKey.set(key, [reader]);
    else readers.push(reader);
  }

  #remove(key: string, reader: Reader): void {
    const readers = this.#byKey.get(key);
    const index = readers?.indexOf(reader) ?? -1;
    if (readers === undefined || index < 0) return;
    // The order of a list does not matter: the last reader takes the free place.
    const last = readers.pop()!;
    if (last !== reader) readers[index] = last;
    if (readers.length === 0) this.#byKey.delete(key);
  }

  /** Every reader of the stream, once. */
  *readers(): Generator<Reader> {
    const seen = new Set<Reader>();
    for (const readers of this.#byKey.values()) {
      for (const reader of readers) {
        if (seen.has(reader)) continue;
        seen.add(reader);
        yield reader;
      }
    }
  }
}

function effective(keys: ReadonlySet<string>): ReadonlySet<string> {
  return keys.has(ALL_KEYS) ? new Set([ALL_KEYS]) : keys;
}
