import { setTimeout as delay } from 'node:timers/promises';

/** Publishes 0, 1, 2, … in order, each under a key of its own and again until it is acknowledged. */
export class RetryingPublisher {
  readonly #url: string;
  readonly #token: string;
  readonly #perSecond: number;
  readonly #run = `${Date.now().toString(36)}-`;
  #stopped = false;
  #done: Promise<number> | undefined;
  /** Requests that were not acknowledged and were repeated. */
  retries = 0;

  constructor(url: string, token: string, topic: string, perSecond: number) {
    this.#url = `${url}/api/topics/${encodeURIComponent(topic)}/messages`;
    this.#token = token;
    this.#perSecond = perSecond;
  }

  start(): void {
    this.#done = this.#publishAll();
  }

  /** Ends it. @returns how many messages were published. */
  async stop(): Promise<number> {
    this.#stopped = true;
    return (await this.#done) ?? 0;
  }

  async #publishAll(): Promise<number> {
    const from = performance.now();
    let next = 0;
    while (!this.#stopped) {
      const due = ((performance.now() - from) / 1000) * this.#perSecond;
      if (next >= due) {
        await delay(1);
        continue;
      }
      if (await this.#publish(next)) next += 1;
      else {
        this.retries += 1;
        await delay(50);
      }
    }
    return next;
  }

  async #publish(n: number): Promise<boolean> {
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: {
          Authorization: `Bearer ${this.#token}`,
          'Content-Type': 'application/json',
          'Idempotency-Key': `${this.#run}${n}`,
        },
        body: String(n),
        signal: AbortSignal.timeout(5_000),
      });
      await response.arrayBuffer();
      return response.ok;
    } catch {
      // Whatever happened to the connection: the key makes a repeat harmless.
      return false;
    }
  }
}
