import { ALL_KEYS } from '../protocol/topic.js';
import type { StreamMessage } from './stream-message.js';
import type { StreamReader } from './subscriber.js';

/**
 * Who reads what of one stream, and the way of a message to them: the one place on the hot path.
 *
 * A reader of the whole stream stands only in the list of all keys, whatever single keys it also asked for, so that
 * nobody gets a message twice.
 */
export class Fanout {
  readonly #byKey = new Map<string, StreamReader[]>();
  #delivered = 0;

  /** Messages written to connections so far. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Takes the reader's keys as they are now. */
  update(reader: StreamReader, before: ReadonlySet<string>): void {
    const [from, to] = [effective(before), effective(reader.keys)];
    for (const key of from) if (!to.has(key)) this.#remove(key, reader);
    for (const key of to) if (!from.has(key)) this.#add(key, reader);
  }

  deliver(message: StreamMessage): void {
    this.#deliverTo(this.#byKey.get(message.key), message);
    this.#deliverTo(this.#byKey.get(ALL_KEYS), message);
  }

  #deliverTo(readers: readonly StreamReader[] | undefined, message: StreamMessage): void {
    if (readers === undefined) return;
    for (const reader of readers) {
      if (reader.held) continue;
      reader.subscriber.deliver(message);
      this.#delivered += 1;
    }
  }

  // Lists are replaced rather than changed: a slow reader may be removed while its list is being delivered to.
  #add(key: string, reader: StreamReader): void {
    this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), reader]);
  }

  #remove(key: string, reader: StreamReader): void {
    const rest = this.#byKey.get(key)?.filter((other) => other !== reader) ?? [];
    if (rest.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, rest);
  }

  /** Every reader of the stream, once. */
  *readers(): Generator<StreamReader> {
    const seen = new Set<StreamReader>();
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
