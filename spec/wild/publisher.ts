import { setTimeout as delay } from 'node:timers/promises';
import { publish } from '../support/http.js';

/** A publisher that keeps the seqs of what the hub acknowledged. */
export class Publisher {
  readonly seqs: number[] = [];
  readonly #topic: string;
  readonly #perSecond: number;
  /** Where to publish; it may change while it runs. */
  url: string;
  #stopped = false;
  #done: Promise<void> | undefined;

  constructor(url: string, topic: string, perSecond: number) {
    this.url = url;
    this.#topic = topic;
    this.#perSecond = perSecond;
  }

  start(): void {
    this.#done = this.#run();
    // Who stops it hears of the error.
    this.#done.catch(() => undefined);
  }

  /** @throws Error where a message was refused */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    const started = performance.now();
    while (!this.#stopped) {
      const due = Math.floor(((performance.now() - started) / 1000) * this.#perSecond);
      if (this.seqs.length >= due) {
        await delay(1);
        continue;
      }
      const { status, body } = await publish(this.url, this.#topic, this.seqs.length);
      if (status !== 201) throw new Error(`message ${this.seqs.length} was answered with ${status}`);
      this.seqs.push((body as { seq: number }).seq);
    }
  }
}
