import { type Message, TOMBSTONE } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Conflation, Conflator } from '../../../server/hub/queues/conflator.js';
import { StreamMessage } from '../../../server/hub/tail/stream-message.js';
import { propertyOptions } from '../../support/size.js';
import { FakeClock } from '../fake-clock.js';

type Sent = Message & { readonly at: number };

/** A conflator with what it sent, and when. */
class Bench {
  readonly clock = new FakeClock();
  readonly sent: Sent[] = [];
  readonly published: { key: string; seq: number }[] = [];
  folded = 0;
  full = 0;
  readonly conflator: Conflator;

  constructor(maxBytes = 1_000_000) {
    this.conflator = new Conflator({
      clock: this.clock,
      maxBytes,
      emit: ({ text }) => this.sent.push({ ...(JSON.parse(text) as Message), at: this.clock.now() }),
      onFolded: () => {
        this.folded += 1;
      },
      onFull: () => {
        this.full += 1;
      },
    });
  }

  take(key: string, conflation: Conflation | undefined, data: unknown = null): void {
    this.takeText(key, conflation, JSON.stringify(data));
  }

  delete(key: string, conflation: Conflation | undefined): void {
    this.takeText(key, conflation, TOMBSTONE);
  }

  takeText(key: string, conflation: Conflation | undefined, data: string): void {
    const seq = this.published.length + 1;
    this.published.push({ key, seq });
    this.conflator.take(new StreamMessage('market', { seq, time: 1, key, data }), conflation);
  }

  /** `a3+2`: seq 3 of key a, with 2 folded into it. */
  get lines(): string[] {
    return this.sent.map(
      ({ topic, seq, conflated }) => `${topic.slice('market:'.length)}${seq}+${conflated}`,
    );
  }
}

const latest = (maxRate: number): Conflation => ({ mode: 'latest', maxRate });

describe('Conflation', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  it('sends the first of a key at once, then the newest when the key has rested', () => {
    for (const key of ['a', 'a', 'b', 'a']) bench.take(key, latest(10));
    expect(bench.lines).to.deep.equal(['a1+0', 'b3+0']);
    bench.clock.advance(99);
    expect(bench.lines).to.have.length(2);
    bench.clock.advance(1);
    expect(bench.lines).to.deep.equal(['a1+0', 'b3+0', 'a4+1']);
    bench.clock.advance(100);
    bench.take('a', latest(10));
    expect(bench.lines.at(-1)).to.equal('a5+0');
  });

  it('sends what is due at the same time in order of age', () => {
    for (const key of ['a', 'b', 'c', 'c', 'a', 'b', 'c']) bench.take(key, latest(2));
    bench.clock.advance(500);
    expect(bench.lines).to.deep.equal(['a1+0', 'b2+0', 'c3+0', 'c7+1', 'a5+0', 'b6+0']);
  });

  it('gives each key the rate that was asked for it', () => {
    for (let i = 0; i < 100; i++) {
      bench.take('fast', latest(50));
      bench.take('slow', latest(0.5));
      bench.clock.advance(10);
    }
    bench.clock.advance(2_000);
    const times = (key: string) =>
      bench.sent.filter(({ topic }) => topic === `market:${key}`).map(({ at }) => at - 1_000);
    expect(times('fast').slice(0, 4)).to.deep.equal([0, 20, 40, 60]);
    expect(times('slow')).to.deep.equal([0, 2_000]);
  });

  it('counts from when a key was last sent if its rate is lowered', () => {
    bench.take('a', latest(10));
    bench.clock.advance(60);
    bench.take('a', latest(1));
    bench.clock.advance(939);
    expect(bench.lines).to.deep.equal(['a1+0']);
    bench.clock.advance(1);
    expect(bench.lines).to.deep.equal(['a1+0', 'a2+0']);
  });

  it('lays fields over one another in mode "merge", and leaves seq and time to the newest', () => {
    const merge: Conflation = { mode: 'merge', maxRate: 1 };
    for (const data of [{ bid: 1, ask: 2 }, { ask: 3 }, { size: 4 }, { ask: 5 }])
      bench.take('a', merge, data);
    bench.clock.advance(1_000);
    expect(bench.sent.map(({ seq, data, conflated }) => ({ seq, data, conflated }))).to.deep.equal([
      { seq: 1, data: { bid: 1, ask: 2 }, conflated: 0 },
      { seq: 4, data: { ask: 5, size: 4 }, conflated: 2 },
    ]);
  });

  it('brings the deletion of a key as its newest value', () => {
    for (const data of [1, 2]) bench.take('a', latest(1), data);
    bench.delete('a', latest(1));
    bench.clock.advance(1_000);
    const { at: _, time: __, ...last } = bench.sent.at(-1)!;
    expect(last).to.deep.equal({ topic: 'market:a', seq: 3, data: null, deleted: true, conflated: 1 });
  });

  it('sends a deletion before the fields that follow it in mode "merge", and counts every message once', () => {
    const merge: Conflation = { mode: 'merge', maxRate: 1 };
    bench.take('a', merge, { bid: 1, ask: 2 });
    for (const data of [{ ask: 3 }, undefined, { bid: 4 }, undefined, { bid: 5 }, { size: 6 }]) {
      if (data === undefined) bench.delete('a', merge);
      else bench.take('a', merge, data);
    }
    bench.clock.advance(1_000);
    expect(
      bench.sent.map(({ seq, data, deleted, conflated }) => [seq, data, deleted, conflated]),
    ).to.deep.equal([
      [1, { bid: 1, ask: 2 }, undefined, 0],
      [5, null, true, 3],
      [7, { bid: 5, size: 6 }, undefined, 1],
    ]);
    expect(bench.sent.length + bench.folded).to.equal(bench.published.length);
  });

  it('keeps no timer and no key once everything is sent and has rested', () => {
    for (let i = 0; i < 1_000; i++) bench.take(`k${i}`, latest(10));
    bench.take('k0', latest(10));
    bench.clock.advance(100);
    expect(bench.conflator.size).to.equal(0);
    expect(bench.clock.waiting).to.equal(0);
  });

  it('sends nothing while paused, and what is due when the pause ends', () => {
    bench.take('a', latest(10));
    bench.take('a', latest(10));
    bench.conflator.pause();
    bench.clock.advance(1_000);
    bench.take('b', latest(10));
    bench.take('c', undefined);
    bench.take('c', undefined);
    bench.take('d', undefined);
    expect(bench.lines).to.deep.equal(['a1+0']);
    expect([...bench.conflator.release()]).to.have.length(2);
    bench.conflator.resume();
    expect(bench.lines).to.deep.equal(['a1+0', 'c5+1', 'd6+undefined', 'a2+0', 'b3+0']);
  });

  it('sends the oldest before its time, rather than hold more than it may', () => {
    bench = new Bench(300);
    for (const key of ['a', 'b', 'c', 'a', 'b', 'c']) bench.take(key, latest(1));
    expect(bench.lines).to.deep.equal(['a1+0', 'b2+0', 'c3+0', 'a4+0']);
    expect(bench.conflator.size).to.equal(2);
    expect(bench.full).to.equal(0);
  });

  it('counts what is merged among what it holds', () => {
    bench = new Bench(400);
    const merge: Conflation = { mode: 'merge', maxRate: 1 };
    bench.take('a', merge);
    bench.take('a', merge, { x: 'x'.repeat(100) });
    expect(bench.sent).to.have.length(1);
    bench.take('a', merge, { y: 'y'.repeat(200) });
    expect(bench.sent).to.have.length(2);
    expect(bench.sent[1]!.data).to.have.keys('x', 'y');
  });

  it('says that it holds more than it may while it is paused', () => {
    bench = new Bench(300);
    bench.conflator.pause();
    for (const key of ['a', 'b', 'a', 'b']) bench.take(key, undefined);
    expect(bench.full).to.equal(0);
    bench.take('c', undefined);
    expect(bench.full).to.equal(1);
  });

  it('drops what is no longer wanted, and sends what is no longer conflated', () => {
    for (const key of ['a', 'b', 'c', 'a', 'b', 'c']) bench.take(key, latest(1));
    bench.conflator.refresh(
      (key) => key !== 'a',
      (key) => key !== 'b',
    );
    expect(bench.lines.slice(3)).to.deep.equal(['b5+0']);
    bench.clock.advance(1_000);
    expect(bench.lines.slice(4)).to.deep.equal(['c6+0']);
  });

  it('says what is pending when it is given up', () => {
    for (const key of ['a', 'b', 'a', 'b', 'a']) bench.take(key, latest(1));
    expect(bench.conflator.oldest).to.equal(3);
    expect(bench.conflator.surrender()).to.deep.equal(
      new Map([
        ['a', 2],
        ['b', 3],
      ]),
    );
    expect(bench.conflator.oldest).to.equal(undefined);
    bench.clock.advance(10_000);
    expect(bench.lines).to.have.length(2);
  });

  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e') }) },
    { weight: 3, arbitrary: fc.record({ ms: fc.integer({ min: 1, max: 400 }) }) },
    { weight: 1, arbitrary: fc.record({ paused: fc.boolean() }) },
  );
  const rates = fc.record({
    a: fc.constantFrom(1, 10, 1000),
    b: fc.constantFrom(2, 10),
    c: fc.constantFrom(0.1, 10),
    d: fc.constantFrom(10, 3),
    // Conflated only while paused.
    e: fc.constant(undefined),
  });

  it('always lets the newest value of each key arrive, loses count of none, and keeps to the rate', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), rates, (steps, rateOf) => {
        const bench = new Bench();
        let paused = false;
        const pause = (now: boolean) => {
          if (now === paused) return;
          paused = now;
          if (paused) bench.conflator.pause();
          else {
            for (const _ of bench.conflator.release());
            bench.conflator.resume();
          }
        };
        for (const step of steps) {
          if ('ms' in step) bench.clock.advance(step.ms);
          else if ('paused' in step) pause(step.paused);
          else {
            const rate = rateOf[step.key];
            if (rate !== undefined || paused) bench.take(step.key, rate && latest(rate));
          }
          // What is pending begins above everything that was sent or folded before it.
          const { oldest } = bench.conflator;
          if (oldest !== undefined) {
            for (const { key, seq } of bench.published.filter((one) => one.seq < oldest)) {
              const last = bench.sent.findLast(({ topic }) => topic === `market:${key}`);
              expect(last?.seq ?? 0, `${key} ${seq} below the oldest pending`).to.be.at.least(seq);
            }
          }
        }
        pause(false);
        bench.clock.advance(20_000);

        for (const [key, rate] of Object.entries(rateOf)) {
          const published = bench.published.filter((one) => one.key === key).map(({ seq }) => seq);
          const sent = bench.sent.filter(({ topic }) => topic === `market:${key}`);
          expect(sent.at(-1)?.seq, `newest of ${key}`).to.equal(published.at(-1));
          const folded = sent.reduce((sum, { conflated = 0 }) => sum + conflated, 0);
          expect(sent.length + folded, `sent and folded of ${key}`).to.equal(published.length);
          let before = 0;
          for (const [i, { seq, at, conflated = 0 }] of sent.entries()) {
            expect(published.indexOf(seq), `place of ${key} ${seq}`).to.equal(before + conflated);
            before += conflated + 1;
            if (rate !== undefined && i > 0)
              expect(at - sent[i - 1]!.at, `rest of ${key}`).to.be.at.least(1000 / rate - 1e-6);
          }
        }
        expect(bench.folded).to.equal(bench.sent.reduce((sum, { conflated = 0 }) => sum + conflated, 0));
        expect(bench.conflator.size).to.equal(0);
        expect(bench.clock.waiting).to.equal(0);
      }),
      propertyOptions({ quick: 500, full: 3_000 }),
    );
  });
});
