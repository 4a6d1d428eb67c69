/** Accounts for every message of a publisher at a client, over failovers that may lose what was acknowledged. */
import { setTimeout as delay } from 'node:timers/promises';
import type { GapInfo, Message } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import type { TestClient } from '../support/client.js';
import { publish } from '../support/http.js';

/** A message that the hub acknowledged. */
interface Acknowledged {
  readonly n: number;
  readonly seq: number;
  readonly epoch: string;
}

/** Publishes 0, 1, 2, … to a topic, each under an id of its own and again until it is acknowledged. */
export class RepeatingPublisher {
  readonly stream: string;
  readonly topic: string;
  readonly acknowledged: Acknowledged[] = [];
  /** Longest time between two acknowledgements, ms. */
  longestPauseMs = 0;
  readonly #urls: readonly string[];
  readonly #everyMs: number;
  #stopped = false;
  #done: Promise<void> | undefined;

  /** @param urls of nodes, asked in turn */
  constructor(urls: readonly string[], topic: string, perSecond: number) {
    this.#urls = urls;
    this.topic = topic;
    this.stream = topic.split(':', 1)[0]!;
    this.#everyMs = 1_000 / perSecond;
  }

  start(): void {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    const id = `${this.topic}-${process.pid}-${Date.now()}`;
    let last = performance.now();
    let attempt = 0;
    for (let n = 0; !this.#stopped; attempt++) {
      const url = this.#urls[attempt % this.#urls.length]!;
      const answer = await publish(url, this.topic, n, { 'Idempotency-Key': `${id}-${n}` }).catch(
        () => undefined,
      );
      if (answer?.status !== 201) {
        await delay(50);
        continue;
      }
      const { seq, epoch } = answer.body as { seq: number; epoch: string };
      this.acknowledged.push({ n, seq, epoch });
      this.longestPauseMs = Math.max(this.longestPauseMs, performance.now() - last);
      last = performance.now();
      n += 1;
      await delay(this.#everyMs);
    }
  }
}

/** What a client was given and told of one stream, in the order in which it came. */
type Event = { readonly message: Message } | { readonly gap: GapInfo };

/** Keeps the order of messages and gaps of a client. */
export class Witness {
  readonly client: TestClient;
  readonly #events: Event[] = [];

  constructor(client: TestClient) {
    this.client = client;
    const { seen } = client;
    const { messages, gaps } = seen;
    messages.push = (...all) => {
      this.#events.push(...all.map((message) => ({ message })));
      return Array.prototype.push.apply(messages, all);
    };
    gaps.push = (...all) => {
      this.#events.push(...all.map((gap) => ({ gap })));
      return Array.prototype.push.apply(gaps, all);
    };
  }

  /** Messages of a stream so far. */
  count(stream: string): number {
    return this.#events.filter((event) => 'message' in event && streamOf(event.message) === stream).length;
  }

  /**
   * Compares with what was acknowledged.
   *
   * @param epoch that the stream was in when the client began
   * @returns how many acknowledged messages the client did not get, each of them announced
   */
  account({ stream, topic, acknowledged }: RepeatingPublisher, epoch: string): number {
    const lives = [{ epoch, data: new Map<number, unknown>(), last: 0, skipped: new Set<number>() }];
    for (const event of this.#events) {
      const life = lives.at(-1)!;
      if ('gap' in event) {
        const { gap } = event;
        if (gap.stream !== stream) continue;
        if (gap.epoch !== life.epoch) {
          expect(gap.reason, topic).to.equal('epoch_changed');
          lives.push({ epoch: gap.epoch, data: new Map(), last: 0, skipped: new Set() });
        } else {
          for (let seq = gap.from!; seq <= gap.to!; seq++) life.skipped.add(seq);
          life.last = gap.to!;
        }
        continue;
      }
      const { message } = event;
      if (streamOf(message) !== stream) continue;
      if (life.last > 0)
        expect(message.seq, `${this.client.transport} ${topic}: no hole, no repeat`).to.equal(life.last + 1);
      life.last = message.seq;
      life.data.set(message.seq, message.data);
    }
    let missing = 0;
    for (const { n, seq, epoch: acknowledgedIn } of acknowledged) {
      const at = lives.findIndex((life) => life.epoch === acknowledgedIn);
      const life = lives[at];
      const what = `${this.client.transport} ${topic}: message ${n}, ${acknowledgedIn} ${seq}`;
      expect(life, `${what}: of an epoch that the client was told of`).not.to.equal(undefined);
      if (life!.data.has(seq) && life!.data.get(seq) === n) continue;
      // The one life that does not continue what was seen before begins somewhere; the one that ended lost its end.
      const first = [...life!.data.keys()][0] ?? Number.POSITIVE_INFINITY;
      const isAnnounced = life!.skipped.has(seq) || at < lives.length - 1 || (at > 0 && seq < first);
      expect(isAnnounced, `${what}: is missing, announced`).to.equal(true);
      missing += 1;
    }
    return missing;
  }
}

function streamOf({ topic }: Message): string {
  return topic.split(':', 1)[0]!;
}
