/** Keeps a link in step with the subscriptions: subscribes, resumes from cursors, unsubscribes. */
import type { Message } from '@axiom-streaming/protocol/message';
import { gapsOf, unknownCursor } from './gaps.js';
import { type HubError, mayPass } from './hub-error.js';
import type { Link, Scope } from './link.js';
import type { Place, Reader } from './reading.js';
import { groups, Readings } from './readings.js';
import type { Gap, Subscribed, Verdict } from './types.js';

/**
 * A subscription that the hub temporarily refused is requested again after this time, or up to twice that.
 */
const RETRY_MS = 1_000;

/** Callbacks to the client. */
export interface SubscriptionsListener {
  gap(gap: Gap): void;
  /** A request was answered with these verdicts, or permanently refused. */
  acknowledged(verdicts: readonly Verdict[]): void;
  /** @returns true if another connection will retry with another token */
  tokenRefused(error: HubError): boolean;
}

export class Subscriptions {
  readonly #listener: SubscriptionsListener;
  readonly #readings = new Readings();
  #toBegin: Reader[] = [];
  /** The current link, while there is one. */
  #link: Link | undefined;
  /** Its position, unless its requests have their own cursors. */
  #place: Place = { cursor: undefined };

  constructor(listener: SubscriptionsListener) {
    this.#listener = listener;
  }

  /** The number of requests that resume earlier readings; 0 if there were none. */
  get resuming(): number {
    const { all } = this.#readings;
    return [...all].some(({ begun }) => begun) ? groups(all).length : 0;
  }

  /** Readings added in the same turn of the event loop with the same options become one request. */
  add(reading: Reader): void {
    this.#readings.add(reading);
    if (this.#toBegin.push(reading) === 1) queueMicrotask(() => this.#begin());
  }

  release(reading: Reader): void {
    const orphans = this.#readings.remove(reading);
    if (this.#link?.release) this.#link.release(reading);
    else if (reading.begun) this.#unsubscribe(orphans);
  }

  /** Subscribes to everything over this link. */
  attach(link: Link): void {
    this.#link = link;
    this.#place = { cursor: undefined };
    this.#toBegin = [];
    this.#subscribe(this.#readings.all);
  }

  detach(): void {
    this.#link = undefined;
    this.#readings.served.clear();
  }

  close(error: HubError | undefined): void {
    for (const reading of this.#readings.all) reading.close(error);
  }

  /** @returns true if it was new to a reading */
  message(message: Message, cursor: string, scope: Scope | undefined): boolean {
    this.position(cursor, scope);
    return this.#readings.deliver(message, cursor, scope?.readings ?? this.#readings.served);
  }

  position(cursor: string, scope: Scope | undefined): void {
    (scope?.place ?? this.#place).cursor = cursor;
  }

  gap(gap: Gap, readings: Iterable<Reader> = this.#readings.served): void {
    for (const reading of readings) {
      if (reading.topics.some((topic) => topic.startsWith(`${gap.stream}:`))) reading.gap(gap);
    }
    this.#listener.gap(gap);
  }

  #begin(): void {
    const readings = this.#toBegin;
    this.#toBegin = [];
    this.#subscribe(readings.filter((reading) => this.#readings.all.has(reading)));
  }

  #subscribe(readings: Iterable<Reader>): void {
    for (const group of groups(readings))
      this.#request({ readings: new Set(group), place: { cursor: undefined } });
  }

  #request(scope: Scope): void {
    const { readings } = scope;
    const [first] = readings;
    const link = this.#link;
    if (first === undefined || link === undefined) return;
    const topics = [...new Set([...readings].flatMap((reading) => reading.topics))];
    link.request(
      'subscribe',
      { ...first.request(), topics },
      (ack) => {
        if (link !== this.#link) return;
        for (const reading of readings) if (!this.#readings.all.has(reading)) readings.delete(reading);
        if (ack.ok) this.#subscribed(scope, topics, ack);
        else this.#refused(scope, ack.error);
      },
      scope,
    );
  }

  #subscribed({ readings, place }: Scope, topics: readonly string[], answer: Subscribed): void {
    const at = this.#link?.release ? place : this.#place;
    at.cursor = answer.cursor;
    for (const reading of readings) {
      reading.subscribed(answer, at);
      this.#readings.served.add(reading);
    }
    // Some may have been closed meanwhile.
    this.#unsubscribe(topics.filter((topic) => !this.#readings.isRead(topic)));
    for (const gap of gapsOf(answer.topics)) this.gap(gap, readings);
    this.#listener.acknowledged(answer.topics);
  }

  #refused(scope: Scope, error: HubError): void {
    const { readings } = scope;
    if (this.#listener.tokenRefused(error)) return;
    if (error.code === 'bad_cursor') {
      for (const reading of readings) {
        reading.place = { cursor: undefined };
        for (const gap of gapsOf(unknownCursor(reading.topics))) this.gap(gap, [reading]);
      }
      this.#request(scope);
    } else if (mayPass(error)) {
      const link = this.#link;
      setTimeout(() => link === this.#link && this.#request(scope), RETRY_MS * (1 + Math.random()));
    } else {
      this.#listener.acknowledged([]);
      for (const reading of readings) reading.close(error);
    }
  }

  #unsubscribe(topics: readonly string[]): void {
    if (topics.length > 0 && !this.#link?.release) {
      this.#link?.request('unsubscribe', { topics }, () => undefined);
    }
  }
}
