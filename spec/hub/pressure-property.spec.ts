/**
 * Conflation and slow readers against a model, over random schedules: one connection subscribes in every way, stalls,
 * drains and breaks off, while messages are published. At every moment its cursor must tell the truth.
 */

import type { SubscribeAnswer } from '@axiom-streaming/protocol/answers';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Subscriber } from '../../server/hub/delivery/subscriber.js';
import { subscribe } from '../../server/hub/operations/subscribe.js';
import { propertyOptions } from '../support/size.js';
import { FakeClock } from './fake-clock.js';
import { type RecordingSink, seqIn, settle, TestHub } from './support.js';

const KEYS = ['a', 'b', 'c'] as const;
const BUDGET = 8_192;
const RATES = [1, 10, 100] as const;

type Step =
  | { readonly publish: readonly string[] }
  | { readonly advance: number }
  | { readonly stalled: boolean }
  | { readonly subscribe: string; readonly maxRate: number | undefined; readonly merge: boolean }
  | { readonly cut: true };

const key = fc.constantFrom(...KEYS);
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ publish: fc.array(key, { minLength: 1, maxLength: 12, size: 'max' }) }),
    },
    { weight: 4, arbitrary: fc.record({ advance: fc.constantFrom(1, 15, 60, 400, 1_500) }) },
    { weight: 2, arbitrary: fc.record({ stalled: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        subscribe: fc.constantFrom(...KEYS, '*'),
        maxRate: fc.constantFrom(undefined, ...RATES),
        merge: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ cut: true as const }) },
  ),
  { minLength: 5, maxLength: 50, size: 'max' },
);

/** The client's side: what it has of each key, and what it was told. */
class Model {
  readonly #test: TestHub;
  readonly #stream: string;
  readonly #clock: FakeClock;
  /** By key of a topic, `*` too: the rate that was asked for; 0: none. */
  readonly #topics = new Map<string, { maxRate: number; merge: boolean }>();
  /** By key: the newest seq that was received. */
  readonly newest = new Map<string, number>();
  readonly published: { key: string; seq: number }[] = [];
  readonly #gaps: { from: number; to: number }[] = [];
  /** By key: up to here it was told that only the newest would follow. */
  readonly #conflatedUpTo = new Map<string, number>();
  /** By key: the seq after which it is read. */
  readonly since = new Map<string, number>();
  /** Messages received, and folded into those. */
  count = 0;
  /** Whether each message is counted once: no cut, no second subscription. */
  countsAdd = true;
  #cursor: string | undefined;
  #stalled = false;
  #returning = false;
  #sink!: RecordingSink;
  #subscriber!: Subscriber;

  constructor(test: TestHub, stream: string, clock: FakeClock) {
    this.#test = test;
    this.#stream = stream;
    this.#clock = clock;
  }

  connect(): void {
    const { sink, subscriber } = this.#test.connect();
    this.#sink = sink;
    this.#subscriber = subscriber;
    const onThis = new Map<string, number>();
    sink.buffered = this.#stalled ? BUDGET + 1 : 0;
    sink.onWrite = ({ topic, seq, conflated = 0, cursor }) => {
      if (sink !== this.#sink) return;
      const of = topic.slice(this.#stream.length + 1);
      if (this.countsAdd) expect(seq, `${topic} in order`).to.be.greaterThan(onThis.get(of) ?? 0);
      onThis.set(of, seq);
      this.newest.set(of, Math.max(seq, this.newest.get(of) ?? 0));
      // A snapshot is of before.
      if (this.#isRead(of, seq)) this.count += 1 + conflated;
      this.#toldCursor(cursor);
    };
    const [position, gap] = [sink.position.bind(sink), sink.gap.bind(sink)];
    sink.position = (cursor) => {
      position(cursor);
      if (sink === this.#sink) this.#toldCursor(cursor);
    };
    sink.gap = (info) => {
      gap(info);
      expect(info.reason).to.equal('slow');
      if (sink === this.#sink) this.#gaps.push({ from: info.from!, to: info.to! });
    };
  }

  async run(step: Step): Promise<void> {
    if ('publish' in step) {
      const items = step.publish.map((of) => ({
        topic: `${this.#stream}:${of}`,
        data: JSON.stringify({ [of]: 'x'.repeat(400) }),
      }));
      for (const [i, result] of (await this.#test.publisher.publishAll(items)).entries()) {
        if (!result.ok) throw new Error(result.error.message);
        this.published.push({ key: step.publish[i]!, seq: result.seq });
        await this.#test.reached(this.#stream, result.seq);
      }
    } else if ('advance' in step) this.#advance(step.advance);
    else if ('stalled' in step) {
      this.#stalled = step.stalled;
      this.#sink.buffered = this.#stalled ? BUDGET + 1 : 0;
    } else if ('cut' in step) await this.#cut();
    else await this.#subscribe(step.subscribe, step.maxRate ?? 0, step.merge);
    expect(this.#sink.closes).to.deep.equal([]);
    this.#toldCursor(this.#subscriber.cursor());
  }

  /** Reads everything, and lets everything rest. */
  async end(): Promise<void> {
    await this.run({ stalled: false });
    for (let i = 0; i < 20; i++) this.#advance(500);
    expect(this.#subscriber.slow).to.equal(false);
    this.#subscriber.position();
  }

  /** What was published while it was read, and not told to be lost. */
  get expected(): { key: string; seq: number }[] {
    return this.published.filter(({ key, seq }) => this.#isRead(key, seq) && !this.#isTold(seq));
  }

  #isRead(of: string, seq: number): boolean {
    return seq > (this.since.get(of) ?? Number.POSITIVE_INFINITY);
  }

  #isTold(seq: number): boolean {
    return this.#gaps.some(({ from, to }) => from <= seq && seq <= to);
  }

  #advance(ms: number): void {
    this.#clock.advance(ms);
    this.#subscriber.flush();
  }

  async #subscribe(topic: string, maxRate: number, merge: boolean): Promise<void> {
    // A backfill waits for a reader that reads.
    if (this.#stalled) return;
    const now = this.#topics.get(topic);
    if (now !== undefined && now.maxRate > 0 && maxRate > now.maxRate) return;
    if (this.#topics.size > 0) this.countsAdd = false;
    const wanted = maxRate === 0 && now !== undefined ? now : { maxRate, merge };
    this.#topics.set(topic, wanted);
    const { last } = this.#test.hub.stream(this.#stream).tail;
    for (const of of topic === '*' ? KEYS : [topic]) if (!this.since.has(of)) this.since.set(of, last);
    await this.#request(topic, wanted, undefined);
  }

  async #request(
    topic: string,
    { maxRate, merge }: { maxRate: number; merge: boolean },
    since: string | undefined,
  ): Promise<void> {
    const conflate =
      maxRate === 0 ? {} : { conflate: merge ? ('merge' as const) : ('latest' as const), maxRate };
    const { last } = this.#test.hub.stream(this.#stream).tail;
    const onPlanned = ({ topics: [verdict] }: SubscribeAnswer) => {
      if (verdict?.reason !== 'conflated') return;
      for (const of of topic === '*' ? KEYS : [topic]) this.#conflatedUpTo.set(of, last);
    };
    await subscribe(
      this.#test.hub,
      this.#subscriber,
      { topics: [`${this.#stream}:${topic}`], since, ...conflate },
      { onPlanned },
    );
  }

  /** Breaks off, and comes back with the cursor that it was told last. */
  async #cut(): Promise<void> {
    const cursor = this.#cursor;
    if (cursor === undefined) return;
    this.countsAdd = false;
    this.#stalled = false;
    this.#test.hub.detach(this.#subscriber);
    this.connect();
    // A cursor speaks of what is read: until all is, the old one is kept.
    this.#returning = true;
    for (const [topic, options] of this.#topics) await this.#request(topic, options, cursor);
    this.#returning = false;
  }

  /** Everything up to the cursor was received, is older than something that was, or was told to be lost. */
  #toldCursor(cursor: string): void {
    if (this.#returning) return;
    this.#cursor = cursor;
    const seq = seqIn(cursor, this.#stream);
    if (seq === undefined) return;
    for (const of of KEYS) {
      const last = this.published.findLast(
        (one) => one.key === of && one.seq <= seq && !this.#isTold(one.seq),
      );
      if (last === undefined || !this.#isRead(of, last.seq)) continue;
      if (last.seq <= (this.#conflatedUpTo.get(of) ?? 0)) continue;
      expect(this.newest.get(of) ?? 0, `${of} up to the cursor ${seq}`).to.be.at.least(last.seq);
    }
  }
}

for (const [what, stream] of [
  ['class "state"', 'market'],
  ['class "log"', 'news'],
] as const) {
  describe(`Under pressure, in ${what}`, () => {
    it('every cursor is true, the newest of each key arrives, and all are counted', async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (schedule) => {
          const clock = new FakeClock();
          const test = await TestHub.start({ clock, limits: { connectionBudgetBytes: BUDGET } });
          try {
            const model = new Model(test, stream, clock);
            model.connect();
            for (const step of schedule) await model.run(step);
            await model.end();
            for (const of of KEYS) {
              const newest = model.expected.findLast((one) => one.key === of);
              if (newest !== undefined)
                expect(model.newest.get(of), `newest of ${of}`).to.be.at.least(newest.seq);
            }
            if (model.countsAdd) expect(model.count).to.equal(model.expected.length);
          } finally {
            await test.stop();
            await settle();
          }
        }),
        propertyOptions({ quick: 100, full: 800 }),
      );
    });
  });
}
