/**
 * What a subscriber gets before it is live: hold → backfill → release → live.
 *
 * Nothing is queued while a reader is held. Its tail continues, and the recent window keeps what arrives; the backfill
 * walks from the first missing seq to the tail's last message, out of the window or, for what is older, the log, and
 * releases the reader in the very turn in which it has caught up. So there is no gap, no duplicate, and no queue to
 * bound. (The usual alternative, a queue of held live messages that is merged and deduplicated at the cutover, needs
 * a bound and an outcome at the bound for each connection.)
 */

import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import type { Clock } from '../../time/clock.js';
import { StallWatch } from '../delivery/stall-watch.js';
import type { StreamReader } from '../delivery/stream-reader.js';
import type { StreamMessage } from '../tail/stream-message.js';
import type { LogPages } from './log-pages.js';
import { messagesAfter, type Stretch } from './messages-after.js';
import type { Semaphore } from './semaphore.js';
import type { Toll } from './toll.js';

/** Time between two looks at a connection that has not taken what waits for it. */
const POLL_MS = 10;

/** Messages that are written before they are paid for. */
const PAYS_EVERY = 128;

/** Where each key of a held reader starts, and what it gets first. */
export interface BackfillPlan {
  /** By key: messages above this seq are wanted. */
  readonly starts: ReadonlyMap<string, number>;
  /** Snapshot or rewind, ascending by seq. */
  readonly opening: readonly StreamMessage[];
}

export interface BackfillOptions {
  readonly pages: LogPages;
  /** Pays for it. */
  readonly toll: Toll;
  /** Acquired for each stretch of messages, and not held while waiting for a connection. */
  readonly semaphore: Semaphore;
  /** Writing pauses while a connection has more than this waiting, bytes. */
  readonly pauseBytes: number;
  readonly clock: Clock;
}

/** Writes what the plan says to a held reader, and releases it. @throws HubError if the log cannot be read. */
export function backfill(reader: StreamReader, plan: BackfillPlan, options: BackfillOptions): Promise<void> {
  return new Backfill(reader, plan, options).run();
}

class Backfill {
  readonly #reader: StreamReader;
  readonly #plan: BackfillPlan;
  readonly #options: BackfillOptions;
  /** Everything up to this seq has been written, or was not wanted. */
  #position: number;
  /** Messages of the opening that have been written. */
  #opened = 0;
  /** Bytes that were written since the connection was looked at. */
  #unchecked = 0;
  readonly #keys: ReadonlySet<string>;
  /** What was written and is not paid for. */
  #unpaid = { count: 0, bytes: 0 };

  constructor(reader: StreamReader, plan: BackfillPlan, options: BackfillOptions) {
    this.#reader = reader;
    this.#plan = plan;
    this.#options = options;
    this.#position = least(plan.starts.values());
    this.#keys = new Set(plan.starts.keys());
  }

  async run(): Promise<void> {
    const { outlet, tail } = this.#reader;
    const { semaphore } = this.#options;
    const highest = -least([...this.#plan.starts.values()].map((seq) => -seq));
    while (!outlet.closed && !outlet.ended) {
      if (this.#hasNewEpoch) {
        this.#reader.release();
        this.#reader.announceLoss('epoch_changed');
        return;
      }
      if (tail.last < highest) {
        // The client has seen more on another node than this one has.
        await tail.reach(highest);
        continue;
      }
      if (this.#position >= tail.last && this.#next === undefined) {
        this.#reader.release();
        return;
      }
      await semaphore.acquire();
      let stretch: Stretch | undefined;
      try {
        stretch = await this.#writeStretch();
      } finally {
        semaphore.release();
      }
      // Others may go on where this one has to wait.
      const wait = stretch === undefined ? undefined : this.#options.toll.pay(stretch);
      if (wait !== undefined) await wait;
    }
  }

  get #hasNewEpoch(): boolean {
    return this.#reader.tail.epoch !== this.#reader.epoch;
  }

  /** The next message of the opening. */
  get #next(): StreamMessage | undefined {
    return this.#plan.opening[this.#opened];
  }

  async #writeStretch(): Promise<Stretch | undefined> {
    if (this.#hasNewEpoch) return undefined;
    const { tail } = this.#reader;
    const stretch = await messagesAfter(tail, this.#position, this.#keys, this.#options.pages);
    if (this.#hasNewEpoch) return undefined;
    const { from, to, messages } = stretch;
    if (from > this.#position + 1) this.#reader.announceGap('trimmed', this.#position + 1, from - 1);
    for (const message of messages) {
      while (this.#next !== undefined && this.#next.seq < message.seq) await this.#writeOpening(this.#next);
      if (this.#next?.seq === message.seq) await this.#writeOpening(this.#next);
      else if (this.#isWanted(message)) await this.#write(message);
    }
    while (this.#next !== undefined && (to >= tail.last || this.#next.seq <= to))
      await this.#writeOpening(this.#next);
    this.#position = Math.max(this.#position, to);
    this.#reader.position = this.#position;
    const wait = this.#pay();
    if (wait !== undefined) await wait;
    return stretch;
  }

  #isWanted({ key, seq }: StreamMessage): boolean {
    const { starts } = this.#plan;
    return (
      this.#reader.wants(key) &&
      (seq > (starts.get(key) ?? Number.POSITIVE_INFINITY) ||
        seq > (starts.get(ALL_KEYS) ?? Number.POSITIVE_INFINITY))
    );
  }

  #write(message: StreamMessage): Promise<void> | undefined {
    this.#reader.position = message.seq;
    return this.#written(this.#reader.backfill(message));
  }

  #writeOpening(message: StreamMessage): Promise<void> | undefined {
    this.#opened += 1;
    this.#reader.position = message.seq;
    return this.#written(this.#reader.writeOpening(message));
  }

  /** Pauses if too much waits, or much was written in this turn. Undefined: no need to wait. */
  #written(bytes: number): Promise<void> | undefined {
    const { pauseBytes } = this.#options;
    this.#unpaid.count += 1;
    this.#unpaid.bytes += bytes;
    this.#unchecked += bytes;
    if (this.#unchecked >= pauseBytes / 4) {
      this.#unchecked = 0;
      if (this.#reader.outlet.bufferedBytes() > pauseBytes) return this.#pause();
    }
    return this.#unpaid.count < PAYS_EVERY ? undefined : this.#pay();
  }

  /** Pays for what was written. */
  #pay(): Promise<void> | undefined {
    const { count, bytes } = this.#unpaid;
    this.#unpaid = { count: 0, bytes: 0 };
    const wait = this.#options.toll.written(count, bytes);
    return wait === undefined ? undefined : this.#apart(wait);
  }

  #pause(): Promise<void> {
    return this.#apart(this.#takenUp());
  }

  /** Waits without its place among those that run: whoever owes, or reads nothing, keeps nobody else waiting. */
  async #apart(wait: Promise<void>): Promise<void> {
    const { semaphore } = this.#options;
    semaphore.release();
    try {
      await wait;
    } finally {
      await semaphore.acquire();
    }
  }

  /** Resolves when the connection has taken enough of what waits, or ends it if it takes nothing. */
  async #takenUp(): Promise<void> {
    const { outlet } = this.#reader;
    const { clock, pauseBytes } = this.#options;
    const stall = new StallWatch(clock);
    for (;;) {
      const waiting = outlet.bufferedBytes();
      if (waiting <= pauseBytes || outlet.closed || outlet.ended) return;
      if (stall.stalled(waiting)) outlet.endSlow();
      else await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
    }
  }
}

/** The smallest of any number of values: a call with an argument for each has a limit. */
export function least(values: Iterable<number>): number {
  let smallest = Number.POSITIVE_INFINITY;
  for (const value of values) if (value < smallest) smallest = value;
  return smallest;
}
