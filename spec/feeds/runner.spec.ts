import { expect } from 'chai';
import type { Leases } from '../../server/cluster/leases.js';
import { SingleNodeLeases } from '../../server/cluster/leases.js';
import type { Feed } from '../../server/feeds/feed.js';
import { FeedRunner, type FeedRunnerOptions } from '../../server/feeds/runner.js';
import type { Publication, PublishResult } from '../../server/hub/operations/publisher.js';
import { silentLogger } from '../../server/logger.js';
import { patient } from '../support/wait.js';
import { FakeClock, FakeLeases, recordingLogger, settle } from './support.js';

const START = 1_763_900_000_250;

/** One message per second that says its tick. */
const counter: Feed = {
  name: 'counter',
  intervalMs: 1_000,
  at: (tick) => [{ topic: 'counter:n', data: String(tick), id: `feed-counter-n-${tick}` }],
};

/** A log with idempotent ids, and what was committed to it by whom. */
class FakeLog {
  readonly committed: { id: string; by: string; at: number }[] = [];
  readonly #data = new Map<string, string>();
  readonly #now: () => number;
  calls = 0;
  /** What happens to the next calls instead of a commit. */
  outage: (() => Promise<PublishResult[]>) | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  publisher(by: string): { publishAll(publications: readonly Publication[]): Promise<PublishResult[]> } {
    return {
      publishAll: async (publications) => {
        this.calls += 1;
        if (this.outage !== undefined) return this.outage();
        return publications.map(({ topic, data, id = '' }): PublishResult => {
          const published = { ok: true, topic, seq: 1, epoch: 'e', time: this.#now() } as const;
          const known = this.#data.get(id);
          if (known === undefined) {
            this.#data.set(id, data);
            this.committed.push({ id, by, at: this.#now() });
            return published;
          }
          if (known === data) return { ...published, duplicate: true };
          return { ok: false, error: { code: 'idempotency_conflict', message: 'used before' } };
        });
      },
    };
  }

  ticks(): number[] {
    return this.committed.map(({ id }) => Number(id.split('-').at(-1)));
  }
}

describe('the feed runner', () => {
  let clock: FakeClock;
  let leases: FakeLeases;
  let log: FakeLog;
  let runners: FeedRunner[];

  beforeEach(() => {
    clock = new FakeClock(START);
    leases = new FakeLeases(clock.now);
    log = new FakeLog(clock.now);
    runners = [];
  });

  afterEach(async () => {
    await Promise.all(runners.map((runner) => runner.stop()));
  });

  function run(holder: string, options: Partial<FeedRunnerOptions> = {}): FeedRunner {
    const runner = new FeedRunner({
      publisher: log.publisher(holder),
      leases,
      holder,
      feeds: [counter],
      logger: silentLogger,
      now: clock.now,
      schedule: clock.schedule,
      ...options,
    });
    runners.push(runner);
    runner.start();
    return runner;
  }

  it('publishes the present tick at once and then each tick once', async () => {
    const runner = run('a');
    await clock.advance(4_000);
    expect(log.ticks()).to.deep.equal([0, 1, 2, 3, 4].map((n) => 1_763_900_000 + n));
    expect(log.calls).to.equal(5);
    expect(runner.counters().get('counter')).to.deep.equal({
      committed: 5,
      duplicates: 0,
      failed: 0,
      skippedTicks: 0,
    });
  });

  it('lets one node of a cluster publish', async () => {
    run('a');
    run('b');
    await clock.advance(20_000);
    expect(new Set(log.committed.map(({ by }) => by))).to.deep.equal(new Set(['a']));
    expect(log.calls).to.equal(21);
  });

  it('replaces a failed holder within 5 s, and no id is committed twice', async () => {
    // It dies at any point of its renewals: what it asks of the leases and the log gets no answer any more.
    for (let livesMs = 10_000; livesMs < 11_200; livesMs += 80) {
      clock = new FakeClock(START);
      leases = new FakeLeases(clock.now);
      log = new FakeLog(clock.now);
      let dead = false;
      const until = <T>(work: () => Promise<T>) => (dead ? Promise.reject(new Error('dead')) : work());
      const mortal: Leases = {
        hold: (...args) => until(() => leases.hold(...args)),
        release: (...args) => until(() => leases.release(...args)),
      };
      const { publishAll } = log.publisher('a');
      run('a', { leases: mortal, publisher: { publishAll: (all) => until(() => publishAll(all)) } });
      await clock.advance(333);
      run('b');
      await clock.advance(livesMs);
      dead = true;
      const diedAt = clock.now();
      await clock.advance(20_000);
      const first = log.committed.find(({ by }) => by === 'b');
      expect(first, 'b took over').to.not.equal(undefined);
      expect(first!.at - diedAt).to.be.within(0, 5_000);
      const ticks = log.ticks();
      expect(new Set(ticks).size).to.equal(ticks.length);
      expect(ticks).to.deep.equal(ticks.toSorted((x, y) => x - y));
      expect(log.committed.at(-1)!.by).to.equal('b');
    }
  });

  it('makes doubled work harmless where two nodes believe to have the lease', async () => {
    const a = run('a');
    const b = run('b', { leases: new SingleNodeLeases() });
    await clock.advance(10_000);
    expect(log.ticks()).to.deep.equal(Array.from({ length: 11 }, (_, n) => 1_763_900_000 + n));
    const counters = [a, b].map((runner) => runner.counters().get('counter')!);
    expect(counters.map(({ committed, duplicates }) => committed + duplicates)).to.deep.equal([11, 11]);
    expect(counters[0]!.duplicates + counters[1]!.duplicates).to.equal(11);
  });

  it('takes another node’s figures for the same tick for a duplicate, not for a failure', async () => {
    const measured = (figure: string): Feed => ({
      ...counter,
      at: (tick) => counter.at(tick).map((publication) => ({ ...publication, data: figure })),
    });
    const logger = recordingLogger();
    run('a', { feeds: [measured('1')] });
    const b = run('b', { feeds: [measured('2')], leases: new SingleNodeLeases(), logger });
    await clock.advance(3_000);
    expect(b.counters().get('counter')).to.include({ committed: 0, duplicates: 4, failed: 0 });
    expect(logger.lines.filter((line) => line.startsWith('warn'))).to.deep.equal([]);
  });

  for (const [how, outage] of [
    ['is refused', async () => [{ ok: false, error: { code: 'log_unavailable', message: 'away' } }]],
    ['throws', () => Promise.reject(new Error('away'))],
  ] as const satisfies readonly (readonly [string, () => Promise<PublishResult[]>])[]) {
    it(`continues with the next tick if publishing ${how}, and says so once per outage`, async () => {
      const logger = recordingLogger();
      const runner = run('a', { logger });
      await clock.advance(1_000);
      for (const _ of [1, 2]) {
        log.outage = outage;
        const before = log.calls;
        await clock.advance(10_000);
        expect(log.calls - before).to.equal(10);
        log.outage = undefined;
        await clock.advance(2_000);
      }
      expect(logger.lines.slice(1)).to.deep.equal([
        'warn: feeds: publishing fails; it is tried again',
        'info: feeds: publishing works again',
        'warn: feeds: publishing fails; it is tried again',
        'info: feeds: publishing works again',
      ]);
      expect(runner.counters().get('counter')).to.include({ committed: 6, failed: 20 });
    });
  }

  it('leaves ticks out while one is on its way', async () => {
    let answer: (results: PublishResult[]) => void = () => undefined;
    log.outage = () => new Promise((resolve) => (answer = resolve));
    const runner = run('a');
    await clock.advance(5_000);
    expect(log.calls).to.equal(1);
    expect(runner.counters().get('counter')!.skippedTicks).to.equal(5);
    log.outage = undefined;
    answer([]);
    await clock.advance(1_000);
    expect(log.calls).to.equal(2);
  });

  it('stops publishing when its lease has ended and it cannot prolong it', async () => {
    const logger = recordingLogger();
    let away = false;
    const flaky: Leases = {
      hold: (...args) => (away ? Promise.reject(new Error('away')) : leases.hold(...args)),
      release: (...args) => leases.release(...args),
    };
    run('a', { leases: flaky, logger });
    await clock.advance(5_000);
    away = true;
    await clock.advance(4_000);
    const calls = log.calls;
    await clock.advance(10_000);
    expect(log.calls).to.equal(calls);
    away = false;
    await clock.advance(2_000);
    expect(log.calls).to.be.above(calls);
    expect(logger.lines.filter((line) => line.includes('taking leases'))).to.deep.equal([
      'warn: feeds: taking leases fails; it is tried again',
      'info: feeds: taking leases works again',
    ]);
  });

  it('continues when an answer about its lease is late', async () => {
    let late = false;
    const slow: Leases = {
      hold: async (...args) => {
        const answer = await leases.hold(...args);
        if (late) await new Promise<void>((resolve) => clock.schedule(resolve, 3_500));
        return answer;
      },
      release: (...args) => leases.release(...args),
    };
    run('a', { leases: slow });
    await clock.advance(3_000);
    late = true;
    await clock.advance(6_000);
    late = false;
    await clock.advance(5_000);
    const calls = log.calls;
    await clock.advance(5_000);
    expect(log.calls - calls).to.equal(5);
  });

  it('releases its leases on stop, so that another node continues at once', async () => {
    const a = run('a');
    run('b');
    await clock.advance(3_000);
    expect(leases.holderOf('feed:counter')).to.equal('a');
    await a.stop();
    expect(leases.holderOf('feed:counter')).to.equal(undefined);
    await clock.advance(1_000);
    expect(leases.holderOf('feed:counter')).to.equal('b');
  });

  it('leaves no timer behind, nor a lease that was on its way when it was stopped', async () => {
    let answer: () => void = () => undefined;
    const slow: Leases = {
      hold: async (...args) => {
        await new Promise<void>((resolve) => (answer = resolve));
        return leases.hold(...args);
      },
      release: (...args) => leases.release(...args),
    };
    const quick = run('a', { feeds: [{ ...counter, name: 'quick' }] });
    const waiting = run('b', { leases: slow });
    await clock.advance(1_500);
    const stopped = Promise.all([quick.stop(), waiting.stop()]);
    await settle();
    answer();
    await stopped;
    expect(clock.timers).to.equal(0);
    expect(leases.held.size).to.equal(0);
    const { calls } = log;
    await clock.advance(10_000);
    expect(log.calls).to.equal(calls);
  });

  it('waits on stop for the tick that is on its way', async () => {
    let answer: (results: PublishResult[]) => void = () => undefined;
    log.outage = () => new Promise((resolve) => (answer = resolve));
    const runner = run('a');
    await settle();
    let stopped = false;
    const stopping = runner.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).to.equal(false);
    expect(leases.holderOf('feed:counter')).to.equal('a');
    answer([]);
    await stopping;
    expect(leases.held.size).to.equal(0);
  });

  it('runs by the system clock by default', async () => {
    // By then the spec's own time limit runs.
    await settle();
    const before = timeouts();
    const quick: Feed = { ...counter, intervalMs: 5 };
    const runner = new FeedRunner({
      publisher: log.publisher('a'),
      leases: new SingleNodeLeases(),
      holder: 'a',
      feeds: [quick],
      logger: silentLogger,
    });
    runner.start();
    const deadline = performance.now() + patient(10_000);
    while (log.committed.length < 3 && performance.now() < deadline) await settle();
    await runner.stop();
    expect(log.committed.length).to.be.at.least(3);
    expect(timeouts()).to.equal(before);
  });
});

function timeouts(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}
