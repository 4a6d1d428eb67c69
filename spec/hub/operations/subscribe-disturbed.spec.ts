import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { expect } from 'chai';
import { HubError } from '../../../server/errors.js';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import { upTo } from '../../support/range.js';
import { until } from '../../support/wait.js';
import { failureOf, Gate, type RecordingSink, settle, type TestHub } from '../support.js';
import { readingHelpers, startReading } from './reading.js';

describe('A subscription', () => {
  let test: TestHub;
  let sink: RecordingSink;
  let subscriber: Subscriber;
  const { read, withoutPositions } = readingHelpers(() => ({ test, sink, subscriber }));

  async function start(options: Parameters<typeof startReading>[0] = {}): Promise<void> {
    ({ test, sink, subscriber } = await startReading(options));
  }

  afterEach(() => test.stop());

  describe('when the log begins a new life meanwhile', () => {
    const rotate = async (stream: string) => {
      const { tail } = test.hub.stream(stream);
      const before = tail.epoch;
      await test.log.rotate(stream, before);
      test.log.follower.resumed();
      await until('the hub has noticed', () => tail.epoch !== before);
    };

    it('is told so, with a snapshot in class "state", and continues', async () => {
      await start();
      await test.publishMany(3, 'market:a', 'market:b');
      await read(['market:*'], { since: test.cursor('market', 1) }, { onPlanned: () => rotate('market') });
      await test.publish('market:a');

      const { epoch } = test.hub.stream('market').tail;
      expect(sink.gaps).to.deep.equal([
        { stream: 'market', topics: ['market:*'], recovered: false, reason: 'epoch_changed', epoch },
      ]);
      expect(withoutPositions()).to.deep.equal(['gap epoch_changed', 'message 2', 'message 3', 'message 4']);
      expect(sink.messages.at(-1)!.cursor).to.equal(test.cursor('market', 4));
    });

    it('is judged in the epoch in which it begins', async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a');
      await test.publishMany(600, 'signals:a');
      let rotated = false;
      test.log.beforeAnswer = async (call) => {
        if (call !== 'check' || rotated) return;
        rotated = true;
        test.log.beforeAnswer = () => undefined;
        await rotate('signals');
      };
      const since = `${test.cursor('news', 1)}~${test.cursor('signals', 600)}`;
      const { topics } = await read(['signals:a', 'news:a'], { since });

      expect(topics).to.deep.equal([
        { topic: 'signals:a', recovered: false, reason: 'epoch_changed' },
        { topic: 'news:a', recovered: true },
      ]);
    });

    it('is not held for ever when that happens while it looks back', async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a');
      const gate = new Gate();
      test.log.beforeAnswer = (call) => (call === 'range' ? gate.pass() : undefined);
      let done = false;
      const reading = read(['news:a'], { rewind: 20 }).finally(() => {
        done = true;
      });
      await gate.reached('the log is read');
      // Redis was emptied: the new life begins at seq 1.
      const { tail } = test.hub.stream('news');
      const { epoch } = tail;
      const check = test.log.check.bind(test.log);
      const lastValues = test.log.lastValues.bind(test.log);
      test.log.check = async () => ({ epoch: 'newlife', top: 2, first: 1, own: null, oldest: 0, ended: 0 });
      test.log.lastValues = async () => [{ seq: 2, time: 1, key: 'a', data: '"new"' }];
      test.log.follower.resumed();
      await until('the hub has noticed', () => tail.epoch !== epoch);
      gate.open();
      try {
        await until('the subscription is made', () => done, { withinMs: 1_000 });
      } finally {
        test.log.check = check;
        test.log.lastValues = lastValues;
        test.hub.detach(subscriber);
        test.hub.stop();
        await reading;
      }
    });
  });

  describe('whose log cannot be read for it', () => {
    beforeEach(async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(600, 'news:a');
      await test.publishMany(600, 'signals:a');
    });

    it('is not left held and silent after it was acknowledged', async () => {
      test.log.failures.set('range', new HubError('log_unavailable', 'Redis did not answer'));
      const since = `${test.cursor('news', 1)}~${test.cursor('signals', 599)}`;
      const error = await failureOf(() => read(['news:a', 'signals:a'], { since }));
      test.log.failures.clear();
      await test.publish('signals:a');
      await settle();

      expect(error).to.include({ code: 'log_unavailable' });
      expect(sink.closes).to.deep.equal([CLOSE.backfillFailed]);
      test.hub.detach(subscriber);
      expect(test.hub.counters.disconnects.get('backfill_failed')).to.equal(1);
    });
  });

  describe('of a connection that reads slowly', () => {
    const BUDGET = 65_536;

    beforeEach(async () => {
      await start({ limits: { connectionBudgetBytes: BUDGET } });
      for (let n = 0; n < 5; n++) {
        await test.log.append(
          'news',
          upTo(200).map(() => ({ key: 'a', data: JSON.stringify('x'.repeat(400)) })),
        );
      }
      await test.reached('news', 1_000);
      sink.onWrite = ({ data }) => {
        sink.buffered += String(data).length + 60;
      };
    });

    it('pauses its recovery, and continues when the client has read', async () => {
      let done = false;
      const reading = read(['news:a'], { since: test.cursor('news', 0) }).then(() => {
        done = true;
      });
      for (let round = 0; !done; round++) {
        const written = sink.messages.length;
        await until('it pauses or ends', async () => {
          const before = sink.messages.length;
          await settle();
          return done || (sink.messages.length === before && before > written);
        });
        expect(sink.buffered, `waiting after round ${round}`).to.be.lessThan(BUDGET / 2);
        sink.buffered = 0;
      }
      await reading;
      expect(sink.seqs()).to.deep.equal(upTo(1_000));
      expect(sink.closes).to.deep.equal([]);
    });

    it('is ended with 4008 when live messages exceed its budget, once', async () => {
      await read(['signals:*']);
      sink.onClose = () => undefined;
      for (let n = 0; n < 200; n++) {
        await test.log.append('signals', [{ key: 'a', data: JSON.stringify('x'.repeat(500)) }]);
      }
      await test.reached('signals', 200);

      expect(sink.closes[0]).to.include({ code: 4008, reconnect: 'yes' });
      expect(sink.closes, 'how often it was ended').to.have.length(1);
      expect(test.hub.counters.slowConsumers.closed).to.equal(1);
    });

    it('is not ended while it drains in time', async () => {
      await read(['signals:*']);
      sink.onWrite = () => undefined;
      for (let n = 0; n < 400; n++) {
        await test.log.append('signals', [{ key: 'a', data: JSON.stringify('x'.repeat(500)) }]);
      }
      await test.reached('signals', 400);
      expect(sink.closes).to.deep.equal([]);
      expect(sink.messages).to.have.length(400);
    });
  });
});
