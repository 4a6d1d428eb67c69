/**
 * Conflation: when messages arrive faster than a reader wants or can take them, it gets the newest value per key.
 *
 * The first message of a key goes out at once; after that the key rests for `1000 / maxRate` ms, and messages that
 * arrive meanwhile are folded into one pending value, which goes out when the rest has ended. So the newest value
 * always arrives, and nothing waits longer than one rest. A fixed beat for the whole connection was rejected: it delays
 * the first message of a quiet key, and sends all keys in one burst.
 *
 * While paused (the connection is above its budget) nothing goes out, whatever the rate.
 */
import { messageText, TOMBSTONE } from '@axiom-streaming/protocol/message';
import type { Clock } from '../../time/clock.js';
import type { StreamMessage } from '../tail/stream-message.js';
import { MergedValue } from './merged-value.js';

/** How a subscription is conflated. */
export interface Conflation {
  /** `latest`: the newer message replaces the older; `merge`: the fields of its data are laid over the older's. */
  readonly mode: 'latest' | 'merge';
  /** Messages per second and key. */
  readonly maxRate: number;
}

/** What goes out: a message, or the newest of several. */
export interface ConflatedMessage {
  readonly key: string;
  /** JSON text of the message. */
  readonly text: string;
}

export interface ConflatorOptions {
  readonly clock: Clock;
  /** What pending values may weigh together, bytes. */
  readonly maxBytes: number;
  readonly emit: (message: ConflatedMessage) => void;
  /** One message was folded into another. */
  readonly onFolded: () => void;
  /** Pending values weigh more than they may, and a pause keeps them from going out. */
  readonly onFull: () => void;
}

/**
 * What one pending value weighs in addition to its text, bytes. The message itself is the tail's last value of its key.
 */
const PENDING_WEIGHT = 120;

interface Pending {
  readonly key: string;
  /** Seq of the first message in it. */
  readonly first: number;
  newest: StreamMessage;
  folded: number;
  readonly merged: MergedValue | undefined;
  /**
   * With {@link merged}: the deletion of the key that the fields have followed, and how many messages were folded into it.
   * It goes out before them: they would be laid over the fields of the deleted value otherwise.
   */
  deletion: { readonly message: StreamMessage; readonly folded: number } | undefined;
  /** None: pending only because of a pause. */
  readonly conflation: Conflation | undefined;
  weight: number;
}

/** The pending values of one reader. */
export class Conflator {
  readonly #options: ConflatorOptions;
  /** By key, the oldest first. */
  readonly #pending = new Map<string, Pending>();
  /** By length of rest, ms: when each key was sent, the oldest first. */
  readonly #resting = new Map<number, Map<string, number>>();
  #bytes = 0;
  #paused = false;
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancel: () => void = () => undefined;

  constructor(options: ConflatorOptions) {
    this.#options = options;
  }

  /** Seq of the oldest message that is not sent yet; undefined if nothing is pending. */
  get oldest(): number | undefined {
    if (this.#pending.size === 0) return undefined;
    for (const { first } of this.#pending.values()) return first;
    return undefined;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** @param conflation none: the key has no rate, and is conflated for the length of a pause */
  take(message: StreamMessage, conflation: Conflation | undefined): void {
    const pending = this.#pending.get(message.key);
    if (pending !== undefined) this.#fold(pending, message);
    else if (conflation !== undefined && !this.#paused && !this.#rests(message.key, restOf(conflation))) {
      this.#send(fresh(message, conflation));
    } else this.#add(fresh(message, conflation));
    this.#mindBound();
  }

  /** The key was just sent another way: its pending value is older and is dropped, and it rests. */
  sent(key: string, conflation: Conflation): void {
    const pending = this.#pending.get(key);
    if (pending !== undefined) {
      this.#remove(pending);
      this.#options.onFolded();
    }
    this.#rest(key, restOf(conflation));
  }

  pause(): void {
    this.#paused = true;
    this.#sleep();
  }

  /** Ends a pause. What has no rate must have been {@link release}d. */
  resume(): void {
    this.#paused = false;
    for (const pending of [...this.#pending.values()]) {
      const { key, conflation } = pending;
      if (conflation === undefined || !this.#rests(key, restOf(conflation))) this.#send(pending);
    }
    this.#wake();
  }

  /** Sends what is pending only because of the pause, the oldest first, one at each step. */
  *release(): Generator<void> {
    for (const pending of this.#pending.values()) {
      if (pending.conflation !== undefined) continue;
      this.#send(pending);
      yield;
    }
  }

  /** Gives up what is pending. @returns for each key the seq up to which everything was sent or folded */
  surrender(): Map<string, number> {
    const starts = new Map([...this.#pending.values()].map(({ key, first }) => [key, first - 1]));
    this.#pending.clear();
    this.#bytes = 0;
    this.#sleep();
    return starts;
  }

  /** Drops keys that are no longer wanted, and sends those that are no longer conflated. */
  refresh(wanted: (key: string) => boolean, isConflated: (key: string) => boolean): void {
    for (const pending of [...this.#pending.values()]) {
      const { key, conflation } = pending;
      if (!wanted(key)) this.#remove(pending);
      else if (conflation !== undefined && !isConflated(key) && !this.#paused) this.#send(pending);
    }
    if (this.#pending.size === 0) this.#sleep();
  }

  #add(pending: Pending): void {
    this.#pending.set(pending.key, pending);
    this.#bytes += pending.weight;
    this.#wake();
  }

  #fold(pending: Pending, message: StreamMessage): void {
    if (pending.merged !== undefined && pending.newest.data === TOMBSTONE && message.data !== TOMBSTONE) {
      this.#putFirst(pending);
    } else {
      pending.folded += 1;
      this.#options.onFolded();
    }
    pending.newest = message;
    if (pending.merged === undefined) return;
    const before = pending.merged.text.length;
    pending.merged.add(message.data);
    const more = pending.merged.text.length - before;
    pending.weight += more;
    this.#bytes += more;
  }

  /** The newest message deletes the key, and fields follow it. */
  #putFirst(pending: Pending): void {
    const { newest, folded, deletion } = pending;
    if (deletion !== undefined) this.#options.onFolded();
    const older = deletion === undefined ? 0 : deletion.folded + 1;
    pending.deletion = { message: newest, folded: folded + older };
    pending.folded = 0;
  }

  #remove(pending: Pending): void {
    if (!this.#pending.delete(pending.key)) return;
    this.#bytes -= pending.weight;
  }

  #send(pending: Pending): void {
    const { key, newest, folded, merged, conflation, deletion } = pending;
    if (deletion !== undefined) {
      // Still pending, so that the cursor that goes with it stays before what follows.
      const { topic, seq, time, data } = deletion.message;
      this.#options.emit({ key, text: messageText(topic, seq, time, data, deletion.folded) });
    }
    this.#remove(pending);
    if (conflation !== undefined) this.#rest(key, restOf(conflation));
    // A reader that asked for conflation gets the count with each message; one that was only slow, if messages were
    // folded.
    const text =
      conflation === undefined && folded === 0
        ? newest.text
        : messageText(newest.topic, newest.seq, newest.time, merged?.text ?? newest.data, folded);
    this.#options.emit({ key, text });
  }

  /** Beyond the bound the oldest goes out before its time, rather than be lost. */
  #mindBound(): void {
    while (this.#bytes > this.#options.maxBytes) {
      if (this.#paused) {
        this.#options.onFull();
        return;
      }
      const [oldest] = this.#pending.values();
      if (oldest === undefined) return;
      this.#send(oldest);
    }
  }

  /** Whether a key was sent less than a rest ago. */
  #rests(key: string, rest: number): boolean {
    const keys = this.#resting.get(rest);
    let sentAt = keys?.get(key);
    if (sentAt === undefined) {
      // Its rate has changed: the new rest counts from when it was last sent at the old rate.
      for (const others of this.#resting.values()) {
        sentAt = others.get(key);
        if (sentAt === undefined) continue;
        others.delete(key);
        this.#restingFor(rest).set(key, sentAt);
        break;
      }
    }
    return sentAt !== undefined && sentAt + rest > this.#options.clock.now();
  }

  #rest(key: string, rest: number): void {
    const now = this.#options.clock.now();
    const keys = this.#restingFor(rest);
    keys.delete(key);
    keys.set(key, now);
    // Two out for one in: keys that have rested are removed even if nothing is pending that would set a timer.
    let checked = 0;
    for (const [other, sentAt] of keys) {
      if (++checked > 2 || sentAt + rest > now || this.#pending.has(other)) return;
      keys.delete(other);
    }
  }

  #restingFor(rest: number): Map<string, number> {
    let keys = this.#resting.get(rest);
    if (keys === undefined) {
      keys = new Map();
      this.#resting.set(rest, keys);
    }
    return keys;
  }

  /** Sets the timer that sends a pending value when its rest has ended. */
  #wake(): void {
    if (this.#paused || this.#pending.size === 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const [rest, keys] of this.#resting) {
      for (const sentAt of keys.values()) {
        next = Math.min(next, sentAt + rest);
        break;
      }
    }
    if (next >= this.#wakeAt) return;
    this.#cancel();
    this.#wakeAt = next;
    this.#cancel = this.#options.clock.after(Math.max(1, next - this.#options.clock.now()), this.#sendDue);
  }

  #sleep(): void {
    this.#cancel();
    this.#wakeAt = Number.POSITIVE_INFINITY;
  }

  readonly #sendDue = (): void => {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    const now = this.#options.clock.now();
    const due: Pending[] = [];
    for (const [rest, keys] of this.#resting) {
      for (const [key, sentAt] of keys) {
        if (sentAt + rest > now) break;
        keys.delete(key);
        const pending = this.#pending.get(key);
        if (pending?.conflation !== undefined && restOf(pending.conflation) === rest) due.push(pending);
      }
      if (keys.size === 0) this.#resting.delete(rest);
    }
    due.sort((a, b) => a.first - b.first);
    for (const pending of due) this.#send(pending);
    this.#wake();
  };
}

function fresh(message: StreamMessage, conflation: Conflation | undefined): Pending {
  const merged = conflation?.mode === 'merge' ? new MergedValue(message.data) : undefined;
  const weight = PENDING_WEIGHT + message.key.length + (merged?.text.length ?? 0);
  return {
    key: message.key,
    first: message.seq,
    newest: message,
    folded: 0,
    merged,
    deletion: undefined,
    conflation,
    weight,
  };
}

/** How long a key rests after each message, ms. */
function restOf({ maxRate }: Conflation): number {
  return 1000 / maxRate;
}
