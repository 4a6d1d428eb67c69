/** The requests of a node that wait for messages: how many may, and how they are woken. */
import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import { HubError } from '../errors.js';
import type { StreamTail } from '../hub/tail/stream-tail.js';
import { Tally } from '../tally.js';

/** Requests that may wait at the same time. Anonymous clients may not take the places of others. */
export const WAITS = { node: 200, subject: 20, anonymous: 40, address: 4 };
/** One timer looks at all that wait, ms. */
export const LOOK_MS = 25;
const RETRY_MS = 1_000;

/** Who waits. */
export interface Waiter {
  /** Undefined: anonymous. */
  readonly subject: string | undefined;
  /** The key that it is counted under; undefined: it is not, because others may come by the same one. */
  readonly address: string | undefined;
}

/** What is waited for. */
export interface Awaited {
  readonly tail: StreamTail;
  /** `*`: the whole stream. */
  readonly key: string;
  /** Messages of this epoch after this seq. */
  readonly epoch: string;
  readonly seq: number;
  readonly forMs: number;
  readonly signal: AbortSignal;
}

/** How a wait has ended. */
export interface WaitOutcome {
  /** False: its time is up, or its client has gone. */
  readonly woken: boolean;
  /** There is nothing of the topic up to here. */
  readonly seq: number;
}

interface Watch extends Awaited {
  seq: number;
  readonly deadline: number;
  readonly end: (woken: boolean) => void;
}

export class MessageWaits {
  readonly #counts = new Tally();
  readonly #watches = new Set<Watch>();
  #timer: NodeJS.Timeout | undefined;

  /** Requests that wait, or are between two waits. */
  get size(): number {
    return this.#counts.of('node');
  }

  /** Takes a place. @returns gives it back. @throws HubError `overloaded`, or `rate_limited` if the caller has too many */
  enter({ subject, address }: Waiter): () => void {
    const places: [string, number][] = [['node', WAITS.node]];
    if (subject !== undefined) {
      places.push([`subject ${subject}`, WAITS.subject]);
    } else {
      places.push(['anonymous', WAITS.anonymous]);
      if (address !== undefined) places.push([`address ${address}`, WAITS.address]);
    }
    const full = places.findLast(([name, most]) => this.#counts.of(name) >= most);
    if (full !== undefined) {
      const [name, most] = full;
      const whose =
        name === 'node'
          ? 'this node'
          : name.startsWith('anonymous')
            ? 'clients without a token'
            : 'this caller';
      throw new HubError(
        name === 'node' ? 'overloaded' : 'rate_limited',
        `${most} calls of ${whose} are already waiting for messages`,
        { retryAfterMs: RETRY_MS },
      );
    }
    for (const [name] of places) this.#counts.add(name);
    return () => {
      for (const [name] of places) this.#counts.remove(name);
    };
  }

  /** Resolves when there may be messages of a topic, or the time is up. */
  wait(awaited: Awaited): Promise<WaitOutcome> {
    return new Promise((resolve) => {
      const watch: Watch = {
        ...awaited,
        deadline: performance.now() + awaited.forMs,
        end: (woken) => {
          awaited.signal.removeEventListener('abort', gone);
          this.#watches.delete(watch);
          if (this.#watches.size === 0) this.#stop();
          resolve({ woken, seq: watch.seq });
        },
      };
      const gone = () => watch.end(false);
      awaited.signal.addEventListener('abort', gone);
      this.#watches.add(watch);
      this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
      if (awaited.signal.aborted) gone();
      else this.#lookAt(watch, performance.now());
    });
  }

  #look(): void {
    const now = performance.now();
    for (const watch of this.#watches) this.#lookAt(watch, now);
  }

  /** A few numbers are compared: nothing is read, and nothing is walked over. */
  #lookAt(watch: Watch, now: number): void {
    if (mayHaveMessages(watch)) {
      watch.end(true);
      return;
    }
    watch.seq = Math.max(watch.seq, watch.tail.last);
    if (now >= watch.deadline) watch.end(false);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function mayHaveMessages({ tail, key, epoch, seq }: Watch): boolean {
  if (tail.epoch !== epoch || tail.lostTo > seq) return true;
  if (key === ALL_KEYS) return tail.last > seq;
  // A key that has been deleted since may have had messages before that.
  return (tail.lastValues.get(key)?.seq ?? 0) > seq || tail.lastValues.tombstone > seq;
}
