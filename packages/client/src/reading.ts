/** One subscription of a user: its request, its position, and the queue of its iterator. */
import type { SubscribeRequest } from '@axiom-streaming/protocol/requests';
import type { HubError } from './hub-error.js';
import type { Gap, HubMessage, Subscribed, SubscribeOptions, Subscription } from './types.js';

const MAX_QUEUED = 10_000;

/** The position of a connection. All readings with the same cursor share the object. */
export interface Place {
  cursor: string | undefined;
}

/** A subscription as the client uses it, for any type of data. */
export interface Reader {
  readonly topics: readonly string[];
  readonly begun: boolean;
  place: Place;
  /** The request that starts or resumes it, without its topics. */
  request(): Omit<SubscribeRequest, 'topics'>;
  subscribed(answer: Subscribed, place: Place): void;
  /** @returns false for a repeat */
  take(message: HubMessage, cursor: string): boolean;
  gap(gap: Gap): void;
  /** @param error why it ends, unless its user ended it */
  close(error?: HubError): void;
}

export type OnMessage<Data> = (message: HubMessage<Data>, cursor: string) => void;

export class Reading<Data = unknown> implements Subscription<Data>, Reader {
  readonly topics: readonly string[];
  readonly ready: Promise<Subscribed>;
  /**
   * Whether the hub has acknowledged it once: from then on it resumes from its cursor instead of its original start.
   */
  begun = false;
  place: Place;
  readonly #options: SubscribeOptions;
  readonly #onMessage: OnMessage<Data> | undefined;
  readonly #release: (reading: Reader) => void;
  /** Newest seq by topic, so that repeats of a resumed connection are not delivered twice. */
  readonly #seqs = new Map<string, number>();
  #queue: HubMessage<Data>[] = [];
  #wake: (() => void) | undefined;
  #end: { readonly error: HubError | undefined } | undefined;
  #resolve!: (subscribed: Subscribed) => void;
  #reject!: (error: HubError) => void;

  constructor(
    topics: readonly string[],
    options: SubscribeOptions,
    onMessage: OnMessage<Data> | undefined,
    release: (reading: Reader) => void,
  ) {
    this.topics = [...new Set(topics)];
    this.place = { cursor: options.since };
    this.#options = options;
    this.#onMessage = onMessage;
    this.#release = release;
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Users who do not read it need not handle its rejection: iterators and `status` report it as well.
    this.ready.catch(() => undefined);
  }

  get cursor(): string | undefined {
    return this.place.cursor;
  }

  request(): Omit<SubscribeRequest, 'topics'> {
    const { rewind, conflate, maxRate } = this.#options;
    return {
      ...(this.cursor === undefined ? { rewind: this.begun ? undefined : rewind } : { since: this.cursor }),
      conflate,
      maxRate,
    };
  }

  subscribed(answer: Subscribed, place: Place): void {
    this.begun = true;
    this.place = place;
    this.#resolve(answer);
  }

  take(message: HubMessage, cursor: string): boolean {
    const { topic, seq } = message;
    if (seq <= (this.#seqs.get(topic) ?? 0)) return false;
    this.#seqs.set(topic, seq);
    const typed = message as HubMessage<Data>;
    if (this.#onMessage === undefined) this.#enqueue(typed);
    else guarded(() => this.#onMessage?.(typed, cursor));
    return true;
  }

  gap(gap: Gap): void {
    // After a loss in the same epoch, repeats are still dropped. After any other loss seqs may start from 1 again.
    const goesOn = gap.from !== undefined || /^(trimmed|limit)$/.test(gap.reason);
    for (const topic of this.#seqs.keys()) {
      if (!goesOn && topic.startsWith(`${gap.stream}:`)) this.#seqs.delete(topic);
    }
    guarded(() => this.#options.onGap?.(gap));
  }

  close(error?: HubError): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    if (error !== undefined) this.#reject(error);
    this.#wake?.();
    this.#release(this);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HubMessage<Data>> {
    try {
      for (;;) {
        const queue = this.#queue;
        this.#queue = [];
        yield* queue;
        if (this.#queue.length > 0) continue;
        if (this.#end?.error) throw this.#end.error;
        if (this.#end) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.close();
    }
  }

  #enqueue(message: HubMessage<Data>): void {
    const { maxQueued = MAX_QUEUED } = this.#options;
    this.#queue.push(message);
    if (this.#queue.length > maxQueued) {
      // Half at once: dropping one by one would shift the whole queue, and report a gap, for each message.
      const dropped = this.#queue.splice(0, Math.ceil(maxQueued / 2));
      const [stream = ''] = dropped[0]!.topic.split(':');
      const range = { from: dropped[0]!.seq, to: dropped.at(-1)!.seq };
      this.gap({ stream, topics: this.topics, recovered: false, reason: 'reader_slow', ...range });
    }
    this.#wake?.();
  }
}

/** Runs a user's callback: its errors are reported to the user, and must not end the connection. */
export function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}
