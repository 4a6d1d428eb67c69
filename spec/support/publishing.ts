import { setTimeout as delay } from 'node:timers/promises';
import { publish } from './http.js';

/** Publishes 0, 1, 2, … to a topic at a rate, each once the one before is acknowledged or its time has come. */
export class Publishing {
  readonly #url: string;
  readonly #topic: string;
  readonly #perSecond: number;
  #stopped = false;
  #done: Promise<number> | undefined;

  constructor(url: string, topic: string, perSecond: number) {
    this.#url = url;
    this.#topic = topic;
    this.#perSecond = perSecond;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** Ends it. @returns how many messages were published. @throws Error where one was refused. */
  async stop(): Promise<number> {
    this.#stopped = true;
    return (await this.#done) ?? 0;
  }

  async #run(): Promise<number> {
    const started = performance.now();
    let next = 0;
    while (!this.#stopped) {
      const due = Math.floor(((performance.now() - started) / 1000) * this.#perSecond);
      if (next >= due) {
        await delay(1);
        continue;
      }
      const { status } = await publish(this.#url, this.#topic, next);
      if (status !== 201) throw new Error(`message ${next} was answered with ${status}`);
      next += 1;
    }
    return next;
  }
}
