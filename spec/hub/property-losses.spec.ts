/**
 * Subscriptions and tail against a model, over random schedules with losses: besides what `property.spec.ts` does to
 * them, messages are trimmed, epochs change, and the log comes back empty or with older data. The model is the account
 * of each client: whatever it was told is held against what was published (see `spec/storm/account.ts`).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { Hub } from '../../server/hub/hub.js';
import type { LogBatch } from '../../server/log/stream-log.js';
import { silentLogger } from '../../server/logger.js';
import { Publications } from '../storm/publications.js';
import { propertyOptions } from '../support/size.js';
import { until } from '../support/wait.js';
import { AccountedClient } from './accounted-client.js';
import { ModelLog } from './model-log.js';
import { LIMITS, STREAMS } from './support.js';

const KEYS = ['a', 'b'] as const;
const USED = STREAMS.filter(({ name }) => name !== 'signals');
const NAMES = USED.map(({ name }) => name);
const TOPICS = NAMES.flatMap((name) => ['*', ...KEYS].map((key) => `${name}:${key}`));

type Step =
  | { readonly do: 'publish'; readonly stream: string; readonly keys: readonly string[] }
  | { readonly do: 'pause'; readonly turns: number }
  | { readonly do: 'interrupt'; readonly turns: number }
  | { readonly do: 'trim'; readonly stream: string; readonly keep: number }
  | { readonly do: 'rotate'; readonly stream: string }
  | { readonly do: 'clear'; readonly stream: string }
  | { readonly do: 'roll back'; readonly stream: string; readonly count: number; readonly other: number }
  | { readonly do: 'break'; readonly client: number; readonly turns: number };

const stream = fc.constantFrom(...NAMES);
const turns = fc.integer({ min: 0, max: 5 });
const publish: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('publish' as const),
  stream,
  keys: fc.array(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 3 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: publish },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pause' as const), turns }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('interrupt' as const), turns }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('trim' as const), stream, keep: fc.integer({ min: 0, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rotate' as const), stream }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), stream }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('roll back' as const),
      stream,
      count: fc.integer({ min: 1, max: 4 }),
      other: fc.integer({ min: 0, max: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('break' as const), client: fc.nat({ max: 2 }), turns }),
  },
);

interface Schedule {
  readonly topics: readonly (readonly string[])[];
  readonly steps: readonly Step[];
  readonly delays: readonly number[];
  readonly announcements: readonly ('pass' | 'late' | 'double' | 'lose')[];
  readonly windowBytes: number;
}

const schedule: fc.Arbitrary<Schedule> = fc.record({
  topics: fc.array(
    fc.uniqueArray(fc.constantFrom(...TOPICS), { minLength: 1, maxLength: 3 }).map(withoutOverlap),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
  steps: fc.array(step, { minLength: 2, maxLength: 14 }),
  delays: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 5 }),
  announcements: fc.array(fc.constantFrom('pass', 'pass', 'pass', 'late', 'double', 'lose'), {
    minLength: 1,
    maxLength: 7,
  }),
  windowBytes: fc.constantFrom(0, 700, 100_000),
});

/** The whole of a stream, or keys of it: an account has one place for each message. */
function withoutOverlap(topics: readonly string[]): readonly string[] {
  return topics.filter((topic) => topic.endsWith(':*') || !topics.includes(topic.replace(/:.*/, ':*')));
}

async function pause(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTurn();
}

class Trial {
  readonly #log = new ModelLog(NAMES);
  readonly #hub: Hub;
  readonly #publications = new Publications();
  readonly #clients: AccountedClient[];
  #connected = true;
  #published = 0;

  constructor({ topics, delays, announcements, windowBytes }: Schedule) {
    this.#hub = new Hub({
      streams: USED,
      log: this.#log,
      logger: silentLogger,
      limits: { ...LIMITS, windowBytes },
    });
    this.#clients = topics.map((each) => new AccountedClient(this.#hub, each, this.#publications, USED));
    let calls = 0;
    this.#log.beforeAnswer = () => pause(delays[calls++ % delays.length]!);
    let announced = 0;
    let late: Promise<void> = Promise.resolve();
    this.#log.announce = (batch: LogBatch) => {
      const fate = announcements[announced++ % announcements.length]!;
      if (!this.#connected || fate === 'lose') return;
      late = late
        .then(() => pause(fate === 'late' ? 3 : 1))
        .then(() => {
          this.#hub.batch(batch);
          if (fate === 'double') this.#hub.batch(batch);
        });
    };
  }

  async run(steps: readonly Step[]): Promise<void> {
    this.#hub.start();
    await this.#hub.whenLive();
    for (const client of this.#clients) client.connect();
    try {
      for (const step of steps) await this.#do(step);
      await this.#end();
    } finally {
      for (const client of this.#clients) client.breakOff();
      this.#hub.stop();
    }
  }

  async #do(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish':
        return this.#publish(step.stream, step.keys);
      case 'pause':
        return pause(step.turns);
      case 'interrupt':
        return this.#away(() => pause(step.turns));
      case 'trim':
        return this.#log.trim(step.stream, step.keep);
      case 'rotate':
        // An epoch that this node has never been in is remembered by the node that began it.
        if (!(await this.#caughtUp(step.stream, 20))) return;
        await this.#log.rotate(step.stream, this.#log.stream(step.stream).epoch);
        return;
      case 'clear':
        return this.#away(async () => {
          // Until the hub asks, whoever recovers may be given the new life's messages for those of the old one. The
          // change of the epoch is told at once afterwards; what had been told before must be complete all the same.
          const { epoch: current, former } = this.#log.stream(step.stream);
          for (const epoch of [current, ...former.map((each) => each.epoch)]) {
            if (epoch === null) continue;
            const reached = this.#clients.flatMap(({ account }) => account.reached(step.stream, epoch) ?? []);
            this.#publications.rolledBack(step.stream, epoch, Math.min(...reached) + 1);
          }
          this.#log.comeBackEmpty(step.stream);
        });
      case 'roll back':
        // Only what a node has seen can be missed: of the rest it knows nothing.
        if (!(await this.#caughtUp(step.stream, 20))) return;
        return this.#away(async () => {
          const before = this.#log.stream(step.stream).epoch;
          this.#log.rollBack(step.stream, step.count);
          const { epoch, top } = this.#log.stream(step.stream);
          for (const each of [before, epoch])
            if (each !== null) this.#publications.rolledBack(step.stream, each, top + 1);
          await this.#publish(step.stream, Array(step.other).fill(KEYS[0]));
        });
      case 'break': {
        const client = this.#clients[step.client % this.#clients.length]!;
        client.breakOff();
        await pause(step.turns);
        client.connect();
      }
    }
  }

  /** The connection to the log is lost while something happens. */
  async #away(what: () => Promise<void>): Promise<void> {
    this.#connected = false;
    this.#hub.interrupted();
    await what();
    this.#connected = true;
    this.#hub.resumed();
  }

  async #publish(name: string, keys: readonly string[]) {
    if (keys.length === 0) return;
    const entries = keys.map((key) => ({ key, id: `m${this.#published++}` }));
    const results = await this.#log.append(
      name,
      entries.map(({ key, id }) => ({ key, data: `{"id":"${id}"}` })),
    );
    results.forEach((result, i) => {
      const { key, id } = entries[i]!;
      if ('seq' in result) this.#publications.acknowledge(name, key, result.epoch, result.seq, id);
    });
  }

  async #caughtUp(name: string, withinTurns: number): Promise<boolean> {
    const { tail } = this.#hub.stream(name);
    for (let i = 0; i < withinTurns; i++) {
      const { epoch, top } = this.#log.stream(name);
      if (tail.live && tail.epoch === epoch && tail.last === top) return true;
      await nextTurn();
    }
    return false;
  }

  /** One last message for every key; everybody must get to it, and account for everything before. */
  async #end(): Promise<void> {
    for (const name of NAMES) await this.#publish(name, KEYS);
    // The last announcement may have been lost.
    this.#hub.interrupted();
    this.#hub.resumed();
    const ends = () =>
      new Map(
        NAMES.map((name) => [
          name,
          { epoch: this.#log.stream(name).epoch!, seq: this.#log.stream(name).top },
        ]),
      );
    for (const name of NAMES) {
      await until(`${name} is followed to its end`, () => this.#caughtUp(name, 20), { withinMs: 5_000 });
    }
    for (const client of this.#clients) await client.settled();
    await pause(3);
    const current = ends();
    for (const { account } of this.#clients) {
      account.check();
      expect(account.findings, account.findings.join('; ')).to.deep.equal([]);
      expect(account.hasReached(current), `reached the end: ${account.behind(current)}`).to.equal(true);
    }
    expect(
      this.#publications.findings(new Map([...current].map(([name, { epoch }]) => [name, epoch]))),
    ).to.deep.equal([]);
  }
}

/**
 * Found once: the message was trimmed before the node read it, and nobody knew any more that it had been of this key.
 */
const FOUND: Schedule = {
  topics: [['news:a'], ['market:*']],
  steps: [
    { do: 'publish', stream: 'news', keys: ['a'] },
    { do: 'trim', stream: 'news', keep: 0 },
    { do: 'clear', stream: 'market' },
    { do: 'publish', stream: 'news', keys: ['a'] },
    { do: 'pause', turns: 2 },
    { do: 'break', client: 0, turns: 2 },
    { do: 'publish', stream: 'market', keys: ['a'] },
    { do: 'publish', stream: 'market', keys: ['a'] },
  ],
  delays: [0, 2],
  announcements: ['lose'],
  windowBytes: 0,
};

describe('Whatever is lost', () => {
  it('a client is told, or gets every message once and in order', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, (given) => new Trial(given).run(given.steps)),
      // A fixed seed, for runs that can be repeated; another one by PROPERTY_SEED.
      { ...propertyOptions({ quick: 500, full: 10_000 }, 1), examples: [[FOUND]] },
    );
  });
});
