import type { Logger } from '../../logger.js';
import type { Clock } from '../../time/clock.js';
import type { SlowCounters } from '../counters.js';
import { StallWatch } from './stall-watch.js';
import type { SlowWatch, Subscriber } from './subscriber.js';

/** Time between two looks at a slow connection. */
const POLL_MS = 20;
/** A connection has drained when at most this fraction of its budget waits. */
const DRAINED_AT = 0.25;

interface Drain {
  readonly stall: StallWatch;
  /** True once the oldest messages of a stream were dropped. */
  dropped: boolean;
}

/**
 * Connections that read more slowly than they are written to. Once more waits for a connection than its budget
 * allows, nothing is written to it until it has drained. Depending on the class of the stream, messages that arrive
 * meanwhile are conflated, kept up to a bound, or end the connection (see {@link StreamReader.take}).
 */
export class SlowConnections implements SlowWatch {
  readonly #budgetBytes: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counters: SlowCounters;
  readonly #draining = new Map<Subscriber, Drain>();
  #cancel: () => void = () => undefined;

  constructor(options: { budgetBytes: number; clock: Clock; logger: Logger; counters: SlowCounters }) {
    this.#budgetBytes = options.budgetBytes;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#counters = options.counters;
  }

  /** Connections that are slow now. */
  get size(): number {
    return this.#draining.size;
  }

  stop(): void {
    this.#cancel();
    this.#draining.clear();
  }

  above(subscriber: Subscriber): void {
    // Nothing could be conflated or dropped to let it catch up.
    const classes = [...subscriber.readers.values()].map(({ streamClass }) => streamClass);
    if (classes.length > 0 && classes.every((streamClass) => streamClass === 'ledger')) {
      subscriber.endSlow();
      return;
    }
    subscriber.beginSlow();
    this.#draining.set(subscriber, { stall: new StallWatch(this.#clock), dropped: false });
    if (this.#draining.size === 1) this.#lookLater();
    const streams = stateStreams(subscriber);
    if (streams.length === 0) return;
    this.#counters.conflated += 1;
    subscriber.degraded({ degraded: true, reason: 'slow', streams });
  }

  dropped(subscriber: Subscriber): void {
    const drain = this.#draining.get(subscriber);
    if (drain === undefined || drain.dropped) return;
    drain.dropped = true;
    this.#counters.dropped += 1;
  }

  ended(subscriber: Subscriber): void {
    this.#draining.delete(subscriber);
    this.#counters.closed += 1;
    this.#logger.warn(
      { connection: subscriber.id, topics: subscriber.topicCount },
      'hub: a slow connection is ended',
    );
  }

  #lookLater(): void {
    this.#cancel = this.#clock.after(POLL_MS, () => {
      for (const [subscriber, drain] of this.#draining) this.#look(subscriber, drain);
      if (this.#draining.size > 0) this.#lookLater();
    });
  }

  #look(subscriber: Subscriber, drain: Drain): void {
    if (subscriber.closed || subscriber.ended) {
      this.#draining.delete(subscriber);
      return;
    }
    const drained = this.#budgetBytes * DRAINED_AT;
    const waiting = subscriber.bufferedBytes();
    if (drain.stall.stalled(waiting)) subscriber.endSlow();
    if (waiting > drained || subscriber.ended) return;
    if (!subscriber.catchUp(drained)) {
      drain.stall.restart();
      return;
    }
    this.#draining.delete(subscriber);
    const streams = stateStreams(subscriber);
    if (streams.length > 0) subscriber.degraded({ degraded: false, reason: 'slow', streams });
  }
}

function stateStreams({ readers }: Subscriber): string[] {
  return [...readers.values()]
    .filter(({ streamClass }) => streamClass === 'state')
    .map(({ tail }) => tail.stream);
}
