/**
 * Delivery against a model, over random schedules: clients subscribe, unsubscribe, break off in the middle of anything
 * and come back with the last cursor that they were given, while messages are published, keys are deleted, the log takes
 * its time, and announcements are late, doubled or lost.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Subscriber } from '../../server/hub/delivery/subscriber.js';
import type { Hub } from '../../server/hub/hub.js';
import { subscribe } from '../../server/hub/operations/subscribe.js';
import { unsubscribe } from '../../server/hub/operations/unsubscribe.js';
import type { LogBatch } from '../../server/log/stream-log.js';
import { propertyOptions } from '../support/size.js';
import { type RecordingSink, STREAMS, settle, TestHub } from './support.js';

const KEYS = ['a', 'b', 'c'] as const;
const WHOLE = '*';

type Step =
  | { readonly do: 'subscribe'; readonly keys: readonly string[] }
  | { readonly do: 'unsubscribe'; readonly keys: readonly string[] }
  /** Breaks off after so many turns of a `subscribe`, or while nothing is going on. */
  | { readonly do: 'break'; readonly keys: readonly string[]; readonly after: number }
  | { readonly do: 'pause'; readonly turns: number };

type LogStep =
  | { readonly do: 'publish'; readonly keys: readonly string[] }
  | { readonly do: 'delete'; readonly keys: readonly string[] }
  | { readonly do: 'pause'; readonly turns: number }
  | { readonly do: 'interrupt'; readonly turns: number };

interface Schedule {
  readonly clients: readonly (readonly Step[])[];
  readonly log: readonly LogStep[];
  /** Turns that each call of the log takes, over and over. */
  readonly delays: readonly number[];
  /** What becomes of each announcement, over and over. */
  readonly announcements: readonly ('pass' | 'late' | 'double' | 'lose')[];
  readonly windowBytes: number;
}

const some = fc.uniqueArray(fc.constantFrom(...KEYS, WHOLE), { minLength: 1, maxLength: 3 });
const turns = fc.integer({ min: 0, max: 6 });

const schedule: fc.Arbitrary<Schedule> = fc.record({
  clients: fc.array(
    fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.record({ do: fc.constant('subscribe' as const), keys: some }) },
        { weight: 2, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), keys: some }) },
        { weight: 4, arbitrary: fc.record({ do: fc.constant('break' as const), keys: some, after: turns }) },
        { weight: 3, arbitrary: fc.record({ do: fc.constant('pause' as const), turns }) },
      ),
      { maxLength: 8 },
    ),
    { minLength: 1, maxLength: 3 },
  ),
  log: fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('publish' as const),
          keys: fc.array(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 5 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('delete' as const),
          keys: fc.array(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 2 }),
        }),
      },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('pause' as const), turns }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('interrupt' as const), turns }) },
    ),
    { minLength: 3, maxLength: 25 },
  ),
  delays: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 7 }),
  announcements: fc.array(fc.constantFrom('pass', 'pass', 'pass', 'late', 'double', 'lose'), {
    minLength: 1,
    maxLength: 9,
  }),
  windowBytes: fc.constantFrom(0, 700, 100_000),
});

/** What a client must have got of one key: everything in the spans, and nothing outside of them. */
interface Span {
  readonly key: string;
  readonly after: number;
  /** The last seq that it must have, and the last that it may have: an `unsubscribe` takes effect in between. */
  must: number;
  may: number;
}

/** A careful client: it keeps its topics and the last cursor, and comes back with both. */
class Client {
  readonly #test: TestHub;
  readonly #hub: Hub;
  readonly received: { key: string; seq: number }[] = [];
  readonly spans: Span[] = [];
  readonly #keys = new Set<string>();
  #cursor: string | undefined;
  #connection: { sink: RecordingSink; subscriber: Subscriber } | undefined;

  constructor(test: TestHub) {
    this.#test = test;
    this.#hub = test.hub;
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (step.do === 'pause') await pause(step.turns);
      else if (step.do === 'subscribe') await this.#subscribe(step.keys);
      else if (step.do === 'unsubscribe') await this.#unsubscribe(step.keys);
      else await this.#breakOff(step.keys, step.after);
    }
    await this.#return();
  }

  get #last(): number {
    return this.#hub.stream('news').tail.last;
  }

  #open(key: string): Span | undefined {
    return this.spans.find((span) => span.key === key && span.may === Number.POSITIVE_INFINITY);
  }

  async #connected(): Promise<Subscriber> {
    if (this.#connection === undefined) {
      const connection = this.#test.connect();
      this.#connection = connection;
      const { sink } = connection;
      sink.onWrite = ({ topic, seq, cursor }) => {
        // What was written to a connection that is gone has not been seen.
        if (this.#connection !== connection) return;
        this.received.push({ key: topic.slice('news:'.length), seq });
        this.#cursor = cursor;
      };
      const position = sink.position.bind(sink);
      sink.position = (cursor) => {
        position(cursor);
        if (this.#connection === connection) this.#cursor = cursor;
      };
      if (this.#keys.size > 0) await this.#request(connection.subscriber, [...this.#keys], this.#cursor);
    }
    return this.#connection.subscriber;
  }

  async #request(subscriber: Subscriber, keys: readonly string[], since?: string): Promise<void> {
    await subscribe(
      this.#hub,
      subscriber,
      { topics: keys.map((key) => `news:${key}`), ...(since === undefined ? {} : { since }) },
      {
        onPlanned: ({ cursor, topics }) => {
          if (this.#connection?.subscriber !== subscriber) return;
          this.#cursor = cursor;
          for (const key of keys) {
            if (since !== undefined) {
              expect(topics.find(({ topic }) => topic === `news:${key}`)?.recovered).to.equal(true);
            }
            this.#keys.add(key);
            if (this.#open(key) !== undefined) continue;
            this.spans.push({ key, after: this.#last, must: Infinity, may: Infinity });
          }
        },
      },
    );
  }

  async #subscribe(keys: readonly string[]): Promise<void> {
    await this.#request(await this.#connected(), keys);
  }

  async #unsubscribe(keys: readonly string[]): Promise<void> {
    const subscriber = await this.#connected();
    const must = this.#last;
    await unsubscribe(this.#hub, subscriber, { topics: keys.map((key) => `news:${key}`) });
    for (const key of keys) {
      this.#keys.delete(key);
      const span = this.#open(key);
      if (span !== undefined) Object.assign(span, { must, may: this.#last });
    }
  }

  async #breakOff(keys: readonly string[], after: number): Promise<void> {
    const subscriber = await this.#connected();
    const subscribing = this.#request(subscriber, keys);
    await pause(after);
    this.#connection = undefined;
    this.#hub.detach(subscriber);
    await subscribing;
  }

  async #return(): Promise<void> {
    await this.#connected();
  }

  /** What it should have got, by the model, of what was published. */
  check(published: readonly { key: string; seq: number }[]): void {
    const seqs = this.received.map(({ seq }) => seq);
    expect(seqs, 'ascending, each once').to.deep.equal([...new Set(seqs)].sort((a, b) => a - b));
    const got = new Set(seqs);
    for (const { key, seq } of published) {
      const spans = this.spans.filter((span) => span.key === key || span.key === WHOLE);
      const must = spans.some((span) => span.after < seq && seq <= span.must);
      const may = spans.some((span) => span.after < seq && seq <= span.may);
      if (must) expect(got.has(seq), `message ${seq} of ${key} was missed`).to.equal(true);
      if (!may) expect(got.has(seq), `message ${seq} of ${key} was not asked for`).to.equal(false);
    }
  }
}

async function pause(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTurn();
}

/** Makes the log slow and its announcements late, double or lost, as the schedule says. */
function disturb(test: TestHub, { delays, announcements }: Schedule): { interrupted: boolean } {
  const { log } = test;
  const state = { interrupted: false };
  let calls = 0;
  log.beforeAnswer = () => pause(delays[calls++ % delays.length]!);
  const { hub } = test;
  const deliver = hub.batch.bind(hub);
  let announced = 0;
  let late: Promise<void> = Promise.resolve();
  hub.batch = (batch: LogBatch) => {
    const fate = announcements[announced++ % announcements.length];
    if (state.interrupted || fate === 'lose') return;
    // One connection brings them all: a late one keeps those behind it waiting.
    late = late
      .then(() => pause(fate === 'late' ? 3 : 0))
      .then(() => {
        deliver(batch);
        if (fate === 'double') deliver(batch);
      });
  };
  return state;
}

async function publishAll(test: TestHub, steps: readonly LogStep[], state: { interrupted: boolean }) {
  const published: { key: string; seq: number }[] = [];
  for (const step of steps) {
    if (step.do === 'publish' || step.do === 'delete') {
      const results = await test.log.append(
        'news',
        step.keys.map((key) => ({ key, data: step.do === 'publish' ? '0' : TOMBSTONE })),
      );
      results.forEach((result, i) => {
        if ('seq' in result) published.push({ key: step.keys[i]!, seq: result.seq });
      });
    } else if (step.do === 'pause') {
      await pause(step.turns);
    } else {
      state.interrupted = true;
      test.hub.interrupted();
      await pause(step.turns);
      state.interrupted = false;
      test.hub.resumed();
    }
  }
  return published;
}

async function run(given: Schedule): Promise<void> {
  const test = await TestHub.start({
    streams: STREAMS.filter(({ name }) => name === 'news'),
    limits: { windowBytes: given.windowBytes },
  });
  try {
    const state = disturb(test, given);
    const clients = given.clients.map(() => new Client(test));
    const [published] = await Promise.all([
      publishAll(test, given.log, state),
      ...clients.map((client, i) => client.run(given.clients[i]!)),
    ]);
    // The end of the schedule: the last announcement may have been lost.
    for (let i = 0; i < 50 && test.hub.stream('news').tail.last < published.length; i++) {
      test.hub.interrupted();
      test.hub.resumed();
      await settle();
    }
    await settle();
    expect(test.hub.stream('news').tail.last).to.equal(published.length);
    for (const client of clients) client.check(published);
  } finally {
    await test.stop();
  }
}

describe('Whatever happens', () => {
  it('a client gets of each key exactly what was published while it was subscribed, in order, once', async () => {
    await fc.assert(fc.asyncProperty(schedule, run), propertyOptions({ quick: 300, full: 2_000 }));
  });
});
