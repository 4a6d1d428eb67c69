/** The subscriptions of a client: all of them, the readers of each topic, and those that the current link serves. */
import type { Reader } from './reading.js';
import type { HubMessage } from './types.js';

export class Readings {
  readonly all = new Set<Reader>();
  /** Those that the current link serves. */
  readonly served = new Set<Reader>();
  readonly #byTopic = new Map<string, Set<Reader>>();

  add(reading: Reader): void {
    this.all.add(reading);
    for (const topic of reading.topics) {
      const readers = this.#byTopic.get(topic) ?? new Set();
      this.#byTopic.set(topic, readers.add(reading));
    }
  }

  /** @returns its topics that nobody reads any more */
  remove(reading: Reader): string[] {
    this.all.delete(reading);
    this.served.delete(reading);
    return reading.topics.filter((topic) => {
      const readers = this.#byTopic.get(topic);
      readers?.delete(reading);
      return readers?.size === 0 && this.#byTopic.delete(topic);
    });
  }

  isRead(topic: string): boolean {
    return this.#byTopic.has(topic);
  }

  /**
   * Gives a message to those of `readings` that read its key or its stream; one that reads both gets it once.
   *
   * @returns true if it was new to at least one
   */
  deliver(message: HubMessage, cursor: string, readings: ReadonlySet<Reader>): boolean {
    const { topic } = message;
    let isNew = false;
    for (const name of [topic, topic.replace(/:.*/, ':*')]) {
      for (const reading of this.#byTopic.get(name) ?? []) {
        if (readings.has(reading)) isNew = reading.take(message, cursor) || isNew;
      }
    }
    return isNew;
  }
}

/** Groups readings that one request can start: they differ only in their topics. */
export function groups(readings: Iterable<Reader>): Reader[][] {
  const found = new Map<string, Reader[]>();
  for (const reading of readings) {
    const key = JSON.stringify(reading.request());
    found.set(key, [...(found.get(key) ?? []), reading]);
  }
  return [...found.values()];
}
