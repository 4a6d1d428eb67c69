/**
 * Publishers: one on each node and one through NGINX, over HTTP. Each message has an Idempotency-Key; half of those
 * whose outcome is unknown are sent again with it, as a careful publisher does, the others stay a "maybe".
 */

import { setTimeout as delay } from 'node:timers/promises';
import { AUTHORIZATION } from '../../bench/lib/credentials.js';
import { STORM_STREAMS } from './catalogue.js';
import type { Publications, StormData } from './publications.js';
import type { Random } from './random.js';

/** Time between two rounds of a publisher. */
const ROUND_MS = 20;
/** Requests of one publisher that may be under way; beyond it the publisher waits. */
const MAX_UNDER_WAY = 64;
const ANSWER_WITHIN_MS = 3_000;
const REPEAT_FOR_MS = 15_000;

interface Outgoing {
  readonly topic: string;
  readonly stream: string;
  readonly key: string;
  readonly id: string;
  readonly data: string;
}

interface Accepted {
  readonly seq: number;
  readonly epoch: string;
}

export class StormPublisher {
  readonly #name: string;
  readonly #url: string;
  readonly #share: number;
  readonly #random: Random;
  readonly #publications: Publications;
  readonly #due = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();
  #next = 0;
  #stopped = false;
  #running: Promise<void> | undefined;

  /** @param options.share its part of every stream's rate */
  constructor(options: {
    name: string;
    url: string;
    share: number;
    random: Random;
    publications: Publications;
  }) {
    this.#name = options.name;
    this.#url = options.url;
    this.#share = options.share;
    this.#random = options.random;
    this.#publications = options.publications;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Ends it; resolves when the outcome of everything is known or given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await Promise.all(this.#underWay);
  }

  /** Publishes one message and repeats it until it is committed. @returns its place. */
  async publishSurely(stream: string, key: string): Promise<Accepted> {
    const message = this.#make(stream, key);
    for (;;) {
      const accepted = await this.#send(message);
      if (accepted !== undefined) {
        this.#publications.acknowledge(stream, key, accepted.epoch, accepted.seq, message.id);
        return accepted;
      }
      await delay(100);
    }
  }

  async #run(): Promise<void> {
    const streams = Object.entries(STORM_STREAMS);
    let before = performance.now();
    while (!this.#stopped) {
      await delay(ROUND_MS);
      const now = performance.now();
      const seconds = Math.min(1, (now - before) / 1000);
      before = now;
      for (const [name, { perSecond, keys }] of streams) {
        const due = (this.#due.get(name) ?? 0) + perSecond * this.#share * seconds;
        const count = Math.floor(due);
        this.#due.set(name, due - count);
        for (let i = 0; i < count && this.#underWay.size < MAX_UNDER_WAY; i++)
          this.#publish(this.#make(name, this.#random.pick(keys)));
      }
    }
  }

  #make(stream: string, key: string): Outgoing {
    const id = `${this.#name}-${this.#next++}`;
    const data: StormData = { id, pad: 'x'.repeat(STORM_STREAMS[stream]!.padding) };
    return { topic: `${stream}:${key}`, stream, key, id, data: JSON.stringify(data) };
  }

  #publish(message: Outgoing): void {
    const repeats = this.#random.next() < 0.5;
    const outcome = this.#untilKnown(message, repeats).then((accepted) => {
      this.#underWay.delete(outcome);
      const { stream, key, id } = message;
      if (accepted === undefined) this.#publications.maybe += 1;
      else this.#publications.acknowledge(stream, key, accepted.epoch, accepted.seq, id);
    });
    this.#underWay.add(outcome);
  }

  async #untilKnown(message: Outgoing, repeats: boolean): Promise<Accepted | undefined> {
    const deadline = performance.now() + REPEAT_FOR_MS;
    for (;;) {
      const accepted = await this.#send(message);
      if (accepted !== undefined || !repeats || performance.now() > deadline) return accepted;
      await delay(50 + 200 * Math.random());
    }
  }

  /** @returns undefined where the outcome is unknown, or it was refused. */
  async #send({ topic, id, data }: Outgoing): Promise<Accepted | undefined> {
    try {
      const response = await fetch(`${this.#url}/api/topics/${topic}/messages`, {
        method: 'POST',
        headers: { ...AUTHORIZATION, 'Idempotency-Key': id },
        body: data,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      const body = (await response.json()) as Accepted;
      return response.status === 201 ? body : undefined;
    } catch {
      // No node, no answer, or an answer that is NGINX's own: unknown.
      return undefined;
    }
  }
}
