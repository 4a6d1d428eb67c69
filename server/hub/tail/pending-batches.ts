import type { LogBatch } from '../../log/stream-log.js';

/** Beyond this many messages the batches are dropped, and read from the log. */
const MAX_MESSAGES = 20_000;

/** Announced batches that wait while a tail catches up, in order of arrival. */
export class PendingBatches {
  #batches: LogBatch[] = [];
  #messages = 0;

  /** A list of what is held now. */
  get all(): readonly LogBatch[] {
    return [...this.#batches];
  }

  /** @returns false if there are too many: all are dropped, and must be read from the log */
  add(batch: LogBatch): boolean {
    this.#messages += batch.keys.length;
    if (this.#messages > MAX_MESSAGES) {
      this.take();
      return false;
    }
    this.#batches.push(batch);
    return true;
  }

  /** Hands them over; nothing is held then. */
  take(): readonly LogBatch[] {
    const batches = this.#batches;
    this.#batches = [];
    this.#messages = 0;
    return batches;
  }
}

/** Seq of the last message of a batch. */
export function lastSeq({ first, keys }: LogBatch): number {
  return first + keys.length - 1;
}
