import type { Logger } from '../../logger.js';
import type { Clock } from '../../time/clock.js';
import type { SlowCounters } from '../counters.js';
import { StallWatch } from './stall-watch.js';
import type { SlowWatch, Subscriber } from './subscriber.js';

/** Time between two looks at a slow connection. */
const POLL_MS = 20;
/** Writing to a slow connection goes on when at most this fraction of its budget waits. */
const RESUME_AT = 0.25;

/** A connection that is slow now. */
interface Slow {
  readonly stall: StallWatch;
  /** The `state` streams whose conflation it was told of, and of whose end it will be told. */
  readonly told: Set<string>;
  /** True once the oldest messages of a stream were dropped. */
  dropped: boolean;
}

/**
 * Connections that read more slowly than they are written to. Once more waits for a connection than its budget
 * allows, nothing is written to it until it has caught up. Depending on the class of the stream, messages that arrive
 * meanwhile are conflated, kept up to a bound, or end the connection (see `StreamReader.take`).
 */
export class SlowConnections implements SlowWatch {
  readonly #budgetBytes: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counters: SlowCounters;
  readonly #slow = new Map<Subscriber, Slow>();
  #cancel: () => void = () => undefined;

  constructor(options: { budgetBytes: number; clock: Clock; logger: Logger; counters: SlowCounters }) {
    this.#budgetBytes = options.budgetBytes;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#counters = options.counters;
  }

  /** Connections that are slow now. */
  get size(): number {
    return this.#slow.size;
  }

  stop(): void {
    this.#cancel();
    this.#slow.clear();
  }

  above(subscriber: Subscriber): void {
    // Nothing could be conflated or dropped to let it catch up.
    const classes = [...subscriber.readers.values()].map(({ streamClass }) => streamClass);
    if (classes.length > 0 && classes.every((streamClass) => streamClass === 'ledger')) {
      subscriber.endSlow();
      return;
    }
    subscriber.beginSlow();
    this.#slow.set(subscriber, { stall: new StallWatch(this.#clock), told: new Set(), dropped: false });
    if (this.#slow.size === 1) this.#lookLater();
    this.tell(subscriber);
  }

  /** Tells a slow connection which of its `state` streams are conflated, unless it was already told. */
  tell(subscriber: Subscriber): void {
    const slow = this.#slow.get(subscriber);
    if (slow === undefined || subscriber.ended) return;
    const streams = stateStreams(subscriber).filter((stream) => !slow.told.has(stream));
    if (streams.length === 0) return;
    if (slow.told.size === 0) this.#counters.conflated += 1;
    for (const stream of streams) slow.told.add(stream);
    subscriber.degraded({ degraded: true, reason: 'slow', streams });
  }

  dropped(subscriber: Subscriber): void {
    const slow = this.#slow.get(subscriber);
    if (slow === undefined || slow.dropped) return;
    slow.dropped = true;
    this.#counters.dropped += 1;
  }

  ended(subscriber: Subscriber): void {
    this.#slow.delete(subscriber);
    this.#counters.closed += 1;
    this.#logger.warn(
      { connection: subscriber.id, topics: subscriber.topicCount },
      'hub: a slow connection is ended',
    );
  }

  #lookLater(): void {
    this.#cancel = this.#clock.after(POLL_MS, () => {
      for (const [subscriber, slow] of this.#slow) this.#look(subscriber, slow);
      if (this.#slow.size > 0) this.#lookLater();
    });
  }

  #look(subscriber: Subscriber, slow: Slow): void {
    if (subscriber.closed || subscriber.ended) {
      this.#slow.delete(subscriber);
      return;
    }
    const mayWait = this.#budgetBytes * RESUME_AT;
    const waiting = subscriber.bufferedBytes();
    if (slow.stall.stalled(waiting)) subscriber.endSlow();
    if (waiting > mayWait || subscriber.ended) return;
    if (!subscriber.catchUp(mayWait)) {
      slow.stall.restart();
      return;
    }
    this.#slow.delete(subscriber);
    // Not those that it reads now: it may have subscribed and unsubscribed meanwhile.
    const streams = [...slow.told];
    if (streams.length > 0) subscriber.degraded({ degraded: false, reason: 'slow', streams });
  }
}

function stateStreams({ readers }: Subscriber): string[] {
  return [...readers.values()]
    .filter(({ streamClass }) => streamClass === 'state')
    .map(({ tail }) => tail.stream);
}
