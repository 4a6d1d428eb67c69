/** Walking over a stream in search of a rare key: what it costs, where it gives way, and where it stops. */

import { expect } from 'chai';
import { HubError } from '../../../server/errors.js';
import { FULL_ACCESS, HUB_ITSELF, type Meter, type Work } from '../../../server/hub/access.js';
import { HISTORY_MAX_WALK, readHistory } from '../../../server/hub/operations/history.js';
import { subscribe } from '../../../server/hub/operations/subscribe.js';
import { SLICE_MESSAGES, Toll } from '../../../server/hub/recovery/toll.js';
import { until } from '../../support/wait.js';
import { type ControlledLog, failureOf, planned, RecordingSink, STREAMS, TestHub } from '../support.js';

/** Messages of others between two of the rare key. */
const OTHERS = 30_000;
const PAGE = 512;

/** Adds up what it is charged with, and refuses to go on after so much was read. */
class RecordingMeter implements Meter {
  readonly amounts = new Map<Work, number>();
  readonly #most: number;

  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  charge(work: Work, amount: number): void {
    this.amounts.set(work, this.of(work) + amount);
  }

  check(): void {
    if (this.of('messages_read') > this.#most) throw new HubError('rate_limited', 'too much');
  }

  of(work: Work): number {
    return this.amounts.get(work) ?? 0;
  }
}

/** Counts the turns of the event loop while some work goes on. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let goesOn = true;
  const count = () => {
    turns += 1;
    if (goesOn) setImmediate(count);
  };
  setImmediate(count);
  await work();
  goesOn = false;
  return turns;
}

describe('Walking over a stream', () => {
  let test: TestHub;

  afterEach(() => test.stop());

  /** Appends a rare message, many of others, a rare message, many of others, a rare message. */
  const fill = async (log: ControlledLog) => {
    const rare = [{ key: 'rare', data: '0' }];
    const others = Array.from({ length: OTHERS }, () => ({ key: 'other', data: '0' }));
    for (const entries of [rare, others, rare, others, rare]) await log.append('news', entries);
  };
  const rareSeqs = [1, OTHERS + 2, 2 * OTHERS + 3];

  const newest = async (meter: Meter, count: number) => {
    const { messages } = await readHistory(test.hub, { topic: 'news:rare', limit: count }, HUB_ITSELF, meter);
    return messages.map(({ seq }) => seq);
  };

  describe('that is in the log', () => {
    beforeEach(async () => {
      test = await TestHub.start({
        limits: { windowBytes: 2_000, recoveryMaxMessages: 1_000_000 },
        before: fill,
      });
      test.log.calls.length = 0;
    });

    it('is paid for by the messages that were read', async () => {
      const meter = new RecordingMeter();
      expect(await newest(meter, 2)).to.deep.equal(rareSeqs.slice(1));
      expect(meter.of('messages_read')).to.be.within(OTHERS, OTHERS + 2 * PAGE);
      expect(meter.of('messages_written')).to.equal(2);
    });

    it('gives the others a turn after each slice', async () => {
      const { tail } = test.hub.stream('news');
      const toll = Toll.strict(new RecordingMeter());
      const request = { keys: new Set(['rare']), count: 2, barrier: tail.last };
      await test.hub.recovery.rewind(tail, request, toll);
      expect(toll.turns).to.be.at.least(Math.floor(OTHERS / SLICE_MESSAGES));
    });

    it('passes over what it knows already from before', async () => {
      await newest(new RecordingMeter(), 2);
      const reads = test.log.countOf('range');
      expect(reads).to.be.at.least(Math.floor(OTHERS / PAGE));
      const meter = new RecordingMeter();
      expect(await newest(meter, 2)).to.deep.equal(rareSeqs.slice(1));
      expect(test.log.countOf('range'), 'reads of the log').to.equal(reads);
      expect(meter.of('messages_read')).to.equal(0);
      expect(meter.of('messages_walked'), 'pages with the key, and one for each other page').to.be.below(
        2 * PAGE + OTHERS / PAGE + 2,
      );
    });

    it('ends as `rate_limited` where the caller owes too much to go on', async () => {
      const meter = new RecordingMeter(5 * PAGE);
      expect(await failureOf(() => newest(meter, 2))).to.include({ code: 'rate_limited' });
      expect(meter.of('messages_read')).to.be.within(5 * PAGE, 7 * PAGE);
    });

    it('with a cursor stops on its way, says so, and goes on with the next call', async () => {
      const seqs: number[] = [];
      const pages: number[] = [];
      let since = test.cursor('news', 0);
      for (let more = true; more; ) {
        const meter = new RecordingMeter();
        const history = await readHistory(test.hub, { topic: 'news:rare', since }, HUB_ITSELF, meter);
        seqs.push(...history.messages.map(({ seq }) => seq));
        pages.push(meter.of('messages_read') + meter.of('messages_walked'));
        expect(history.recovered).to.equal(true);
        ({ more, cursor: since } = history);
      }
      expect(seqs).to.deep.equal(rareSeqs);
      expect(pages.length).to.be.at.least(Math.ceil((2 * OTHERS) / (HISTORY_MAX_WALK + PAGE)));
      for (const walked of pages) expect(walked).to.be.at.most(2 * (HISTORY_MAX_WALK + 2 * PAGE));
    });

    it('makes a message of an entry once, and only of those that are wanted', async () => {
      const { tail } = test.hub.stream('news');
      const [first, again] = await Promise.all(
        [0, 0].map((position) => test.hub.recovery.messagesAfter(tail, position, new Set(['rare']))),
      );
      expect(first?.messages).to.have.length(1);
      expect(again?.messages[0]).to.equal(first?.messages[0]);
      expect([first?.read, again?.read].sort()).to.deep.equal([0, PAGE]);
    });
  });

  it('shares no turn with other walks, however many there are at once', async () => {
    test = await TestHub.start({ limits: { windowBytes: 64 * 1024 * 1024 } });
    await fill(test.log);
    await test.reached('news', rareSeqs.at(-1)!);
    let mostInOneTurn = 0;
    let inThisTurn = 0;
    const meter: Meter = {
      charge: (work, amount) => {
        if (work === 'messages_walked') inThisTurn += amount;
      },
      check: () => undefined,
    };
    let goesOn = true;
    const turn = () => {
      mostInOneTurn = Math.max(mostInOneTurn, inThisTurn);
      inThisTurn = 0;
      if (goesOn) setImmediate(turn);
    };
    const walks = 20;
    const walking = Array.from({ length: walks }, () => newest(meter, 2));
    // All of them begin in one turn, each with a slice.
    await undefined;
    setImmediate(turn);
    setImmediate(() => {
      mostInOneTurn = 0;
    });
    for (const seqs of await Promise.all(walking)) expect(seqs).to.deep.equal(rareSeqs.slice(1));
    goesOn = false;
    expect(mostInOneTurn).to.be.within(1, 2 * SLICE_MESSAGES + 2 * 1_024);
  });

  it('in memory costs little, and gives way as well', async () => {
    test = await TestHub.start({ limits: { windowBytes: 64 * 1024 * 1024 } });
    await fill(test.log);
    await test.reached('news', rareSeqs.at(-1)!);
    const meter = new RecordingMeter();
    let seqs: number[] = [];
    const turns = await turnsDuring(async () => {
      seqs = await newest(meter, 2);
    });
    expect(seqs).to.deep.equal(rareSeqs.slice(1));
    expect(meter.of('messages_read')).to.equal(0);
    expect(meter.of('messages_walked')).to.equal(OTHERS + 2);
    expect(turns).to.be.at.least(Math.floor(OTHERS / SLICE_MESSAGES) - 1);
  });
});

describe('A subscription that brings much', () => {
  const KEYS = 4_000;
  let test: TestHub;

  afterEach(() => test.stop());

  it('is paid for by its messages and their bytes, and is written in slices', async () => {
    test = await TestHub.start({
      streams: STREAMS,
      before: async (log) => {
        await log.append(
          'market',
          Array.from({ length: KEYS }, (_, i) => ({ key: `k${i}`, data: '"0123456789"' })),
        );
      },
    });
    const meter = new RecordingMeter();
    const sink = new RecordingSink();
    const subscriber = test.hub.attach('a', sink, {
      ...FULL_ACCESS,
      charge: (work, amount) => meter.charge(work, amount),
    });
    const turns = await turnsDuring(() =>
      subscribe(test.hub, subscriber, { topics: ['market:*'] }, planned()),
    );
    subscriber.flush();
    expect(sink.messages).to.have.length(KEYS);
    expect(meter.of('messages_written')).to.equal(KEYS);
    expect(meter.of('bytes_written')).to.be.at.least(KEYS * '"0123456789"'.length);
    expect(turns).to.be.at.least(10);
  });

  it('slows down where its client owes too much, and is never refused', async () => {
    test = await TestHub.start();
    await test.publishMany(1_000, 'news:a');
    let waits = 0;
    const sink = new RecordingSink();
    const slow = test.hub.attach('slow', sink, {
      ...FULL_ACCESS,
      check: () => {
        throw new HubError('rate_limited', 'too much');
      },
      pace: async () => {
        waits += 1;
      },
    });
    await subscribe(test.hub, slow, { topics: ['news:*'], since: test.cursor('news', 0) }, planned());
    slow.flush();
    expect(sink.seqs()).to.have.length(1_000);
    expect(waits).to.be.at.least(3);
  });

  it('keeps nobody else from catching up while its own client waits for what it owes', async () => {
    test = await TestHub.start();
    await test.publishMany(1_000, 'news:a');
    let waiting = 0;
    for (let n = 0; n < 40; n++) {
      const debtor = test.hub.attach(`debtor ${n}`, new RecordingSink(), {
        ...FULL_ACCESS,
        pace: () => {
          waiting += 1;
          return new Promise(() => undefined);
        },
      });
      void subscribe(test.hub, debtor, { topics: ['news:*'], since: test.cursor('news', 0) }, planned());
    }
    await until('they wait', () => waiting === 40);
    const sink = new RecordingSink();
    const other = test.hub.attach('other', sink, FULL_ACCESS);
    await subscribe(test.hub, other, { topics: ['news:*'], since: test.cursor('news', 0) }, planned());
    other.flush();
    expect(sink.seqs()).to.have.length(1_000);
  });
});
