import type { Access, Meter } from '../access.js';

/** The rest of the node has a turn after a walk has passed this many messages, or written some. */
export const SLICE_MESSAGES = 2_000;
/** Writing a message takes about as long as walking over this many. */
const WRITTEN_COUNTS = 8;

/** Walks that wait for a turn of the event loop, which is one for the whole process. */
const waiting: (() => void)[] = [];

/** Resolves in a turn in which no other walk goes on that has waited for one: many walks at once make no long turn. */
function ownTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(nextWalk);
  });
}

function nextWalk(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(nextWalk);
}

/** What a walk over a stream did since it last paid: numbers of messages. */
export interface Walked {
  /** Those that were in memory. */
  readonly walked: number;
  /** Those that the log was asked for. */
  readonly read: number;
}

/** What a walk pays as it goes, and where it gives way to the others. */
export class Toll {
  readonly #meter: Meter;
  readonly #mayGoOn: () => void | Promise<void>;
  #sinceTurn = 0;
  /** How often the others had a turn. */
  turns = 0;

  private constructor(meter: Meter, mayGoOn: () => void | Promise<void>) {
    this.#meter = meter;
    this.#mayGoOn = mayGoOn;
  }

  /** Of work that is refused when too much is owed: with `rate_limited`. */
  static strict(meter: Meter): Toll {
    return new Toll(meter, () => meter.check());
  }

  /** Of work that a client needs to come back: it slows down when too much is owed. */
  static patient(access: Access): Toll {
    return new Toll(access, () => access.pace());
  }

  /** @returns undefined if the walk may go on in this turn. @throws HubError `rate_limited` if it must end */
  pay({ walked, read }: Walked): void | Promise<void> {
    if (walked > 0) this.#meter.charge('messages_walked', walked);
    if (read > 0) this.#meter.charge('messages_read', read);
    return this.#mayGoOn() ?? this.#giveWay(walked + read);
  }

  /** As {@link pay}, for messages that were written. */
  written(count: number, bytes: number): void | Promise<void> {
    if (count === 0) return undefined;
    this.#meter.charge('messages_written', count);
    this.#meter.charge('bytes_written', bytes);
    return this.#mayGoOn() ?? this.#giveWay(count * WRITTEN_COUNTS);
  }

  /** Charges for messages that are found, and are about to be written in an answer. */
  found(count: number): void | Promise<void> {
    this.#meter.charge('messages_written', count);
    return this.#giveWay(count * WRITTEN_COUNTS);
  }

  #giveWay(messages: number): void | Promise<void> {
    this.#sinceTurn += messages;
    if (this.#sinceTurn < SLICE_MESSAGES) return undefined;
    this.#sinceTurn = 0;
    this.turns += 1;
    return ownTurn();
  }
}
