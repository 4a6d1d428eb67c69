import { expect } from 'chai';
import type { Hub } from '../../server/hub/hub.js';
import { subscribe } from '../../server/hub/operations/subscribe.js';
import { until } from '../support/wait.js';
import { failureOf, Gate, planned, STREAMS, settle, TestHub } from './support.js';

describe('The hub', () => {
  let test: TestHub;
  let hub: Hub;

  const start = async (options: Parameters<typeof TestHub.start>[0] = {}) => {
    test = await TestHub.start(options);
    hub = test.hub;
  };
  const reading = async (...topics: string[]) => {
    const connection = test.connect();
    await subscribe(hub, connection.subscriber, { topics }, planned());
    return connection;
  };

  afterEach(() => test.stop());

  it('writes a message to each of its connections that reads it, in the same order', async () => {
    await start();
    const [one, other, nobody] = [
      await reading('news:a', 'market:*'),
      await reading('news:*', 'market:x'),
      await reading(),
    ];
    await test.publishMany(6, 'news:a', 'market:x', 'news:b');

    const seen = ({ sink }: typeof one) => sink.messages.map(({ topic, seq }) => `${topic} ${seq}`);
    expect(seen(one)).to.have.members(['news:a 1', 'market:x 1', 'news:a 3', 'market:x 2']);
    expect(one.sink.seqs('news:a')).to.deep.equal([1, 3]);
    expect(other.sink.seqs().length).to.equal(6);
    expect(nobody.sink.messages).to.deep.equal([]);
    expect(hub.delivered).to.equal(10);
    expect([...hub.counters.received]).to.deep.equal([
      ['market', 2],
      ['news', 4],
      ['signals', 0],
    ]);
  });

  it('is live once every stream is', async () => {
    await start();
    expect(hub.live).to.equal(true);
    test.log.follower.interrupted();
    expect(hub.live).to.equal(false);
    test.log.follower.resumed();
    await hub.whenLive();
    expect(hub.live).to.equal(true);
  });

  describe('whose log is out of reach', () => {
    const told = (degraded: boolean, ...streams: string[]) => ({
      degraded,
      reason: 'log_unavailable',
      streams,
    });

    it('tells each connection once which of its streams are concerned, and when that has ended', async () => {
      await start();
      const [one, other, nothing] = [
        await reading('news:*'),
        await reading('news:a', 'market:a'),
        test.connect(),
      ];
      test.log.follower.interrupted();
      test.log.follower.interrupted();
      test.log.follower.resumed();
      await hub.whenLive();
      await settle();

      expect(one.sink.degradations).to.deep.equal([told(true, 'news'), told(false, 'news')]);
      expect(other.sink.degradations).to.deep.equal([
        told(true, 'market', 'news'),
        told(false, 'market', 'news'),
      ]);
      expect(nothing.sink.degradations).to.deep.equal([]);
    });

    it('for one stream alone tells the readers of that, and nobody else', async () => {
      await start();
      const [reader, both, other] = [
        await reading('news:*'),
        await reading('news:a', 'market:a'),
        await reading('market:*'),
      ];
      test.log.follower.interrupted('news');
      expect(hub.live, 'ready').to.equal(false);
      await test.publish('market:a');
      test.log.follower.resumed('news');
      await hub.whenLive();
      await settle();

      for (const { sink } of [reader, both])
        expect(sink.degradations).to.deep.equal([told(true, 'news'), told(false, 'news')]);
      expect(other.sink.degradations).to.deep.equal([]);
      expect(other.sink.seqs('market:a')).to.deep.equal([1]);
    });

    it('says which stream has come back where others have not', async () => {
      await start();
      const { sink } = await reading('news:*', 'market:*');
      test.log.follower.interrupted();
      test.log.follower.resumed('market');
      await until('it is told of one', () => sink.degradations.length === 2);
      test.log.follower.resumed('news');
      await until('it is told of the other', () => sink.degradations.length === 3);
      expect(sink.degradations).to.deep.equal([
        told(true, 'market', 'news'),
        told(false, 'market'),
        told(false, 'news'),
      ]);
    });

    it('tells whoever subscribes meanwhile, before it waits for the log', async () => {
      await start();
      test.log.follower.interrupted('news');
      const { sink, subscriber } = test.connect();
      await subscribe(hub, subscriber, { topics: ['market:*'] }, planned());
      expect(sink.degradations).to.deep.equal([]);
      const results = planned();
      const subscribing = subscribe(hub, subscriber, { topics: ['news:*'] }, results);
      await until('it is told', () => sink.degradations.length === 1);
      expect(results.results, 'acknowledged').to.deep.equal([]);
      test.log.follower.resumed('news');
      await subscribing;
      await settle();
      expect(sink.degradations).to.deep.equal([told(true, 'news'), told(false, 'news')]);
    });

    it('tells of the end also where the subscription was refused', async () => {
      await start();
      test.log.follower.interrupted('news');
      const { sink, subscriber } = test.connect();
      const refusal = await failureOf(() =>
        subscribe(hub, subscriber, { topics: ['news:*'] }, { ...planned(), waitMs: 1 }),
      );
      expect(refusal).to.include({ code: 'log_unavailable' });
      test.log.follower.resumed('news');
      await until('it is told of the end', () => sink.degradations.length === 2);
      expect(sink.degradations).to.deep.equal([told(true, 'news'), told(false, 'news')]);
    });

    it('tells of a stream that goes out of reach while a subscription to it is made', async () => {
      await start({ limits: { windowBytes: 0 } });
      await test.publishMany(20, 'news:a');
      const gate = new Gate();
      test.log.beforeAnswer = (call) => (call === 'check' ? gate.pass() : undefined);
      const { sink, subscriber } = test.connect();
      const since = test.cursor('news', 2);
      const subscribing = subscribe(hub, subscriber, { topics: ['news:a'], since }, planned());
      await gate.reached('its past is looked at');
      test.log.follower.interrupted('news');
      expect(sink.degradations).to.deep.equal([]);
      gate.open();
      await subscribing;
      expect(sink.degradations).to.deep.equal([told(true, 'news')]);
    });

    it('forgets whom it has told once they are gone', async () => {
      await start();
      const { sink, subscriber } = await reading('news:*');
      test.log.follower.interrupted();
      hub.detach(subscriber);
      test.log.follower.resumed();
      await hub.whenLive();
      await settle();
      expect(sink.degradations).to.deep.equal([told(true, 'news')]);
    });
  });

  it('tells the readers of a stream, and nobody else, of messages that are lost', async () => {
    await start({ streams: STREAMS.map((stream) => ({ ...stream, maxMessages: 10 })) });
    const [reader, other] = [await reading('news:a', 'news:b'), await reading('market:a')];
    test.log.announcements = 'drop';
    test.log.follower.interrupted();
    for (let n = 0; n < 60; n++) await test.log.append('news', [{ key: 'a', data: String(n) }]);
    await settle();
    test.log.follower.resumed();
    await test.reached('news', 60);

    const { first } = await test.log.check('news', 0);
    expect(reader.sink.gaps).to.deep.equal([
      {
        stream: 'news',
        topics: ['news:a', 'news:b'],
        recovered: false,
        reason: 'trimmed',
        from: 1,
        to: first - 1,
        epoch: hub.stream('news').tail.epoch,
      },
    ]);
    expect(reader.sink.events[0]).to.equal('position '.concat(test.cursor('news', 0)));
    expect(reader.sink.seqs()).to.deep.equal(Array.from({ length: 61 - first }, (_, i) => first + i));
    expect(other.sink.gaps).to.deep.equal([]);
    expect(hub.counters.lostMessages).to.equal(first - 1);
  });

  it('tells readers of a new epoch, in class "state" with what is true now', async () => {
    await start();
    const [state, log] = [await reading('market:a', 'market:b'), await reading('news:*')];
    await test.publishMany(3, 'market:a', 'market:b', 'market:c');
    await test.publishMany(2, 'news:a');
    for (const stream of ['market', 'news']) await test.log.rotate(stream, hub.stream(stream).tail.epoch);
    test.log.follower.resumed();
    await until('both are told', () => state.sink.gaps.length === 1 && log.sink.gaps.length === 1);

    const { epoch } = hub.stream('market').tail;
    expect(state.sink.gaps).to.deep.equal([
      {
        stream: 'market',
        topics: ['market:a', 'market:b'],
        recovered: false,
        reason: 'epoch_changed',
        epoch,
      },
    ]);
    expect(state.sink.events.slice(-4)).to.deep.equal([
      'gap epoch_changed',
      'message 1',
      'message 2',
      `position ${test.cursor('market', 3)}`,
    ]);
    // A cut in the middle of what is true now must find the rest again.
    expect(state.sink.messages.slice(-2).map(({ cursor }) => cursor)).to.deep.equal([
      test.cursor('market', 1),
      test.cursor('market', 2),
    ]);
    expect(log.sink.events.slice(-2)).to.deep.equal([
      'gap epoch_changed',
      `position ${test.cursor('news', 2)}`,
    ]);
    expect(log.sink.seqs()).to.deep.equal([1, 2]);
  });

  it('renews the cursor of a quiet connection, and only where it has changed', async () => {
    const original = globalThis.setInterval;
    const renewals: { renew: () => void; everyMs: number }[] = [];
    globalThis.setInterval = ((renew: () => void, everyMs: number) => {
      renewals.push({ renew, everyMs });
      return original(() => undefined, 2 ** 30);
    }) as typeof setInterval;
    try {
      await start();
    } finally {
      globalThis.setInterval = original;
    }
    // It is quiet from one renewal to the next: it hears its cursor after two of them at the latest.
    expect(renewals.map(({ everyMs }) => everyMs <= 7_500)).to.deep.equal([true]);
    const [quiet, busy, nobody] = [await reading('news:seldom'), await reading('news:often'), test.connect()];
    for (let round = 1; round <= 3; round++) {
      await test.publishMany(5, 'news:often');
      renewals[0]!.renew();
    }
    renewals[0]!.renew();

    expect(quiet.sink.positions).to.deep.equal([0, 10, 15].map((seq) => test.cursor('news', seq)));
    expect(busy.sink.positions).to.deep.equal([0, 15].map((seq) => test.cursor('news', seq)));
    expect(nobody.sink.positions).to.deep.equal([]);
  });

  it('forgets a connection that is gone', async () => {
    await start();
    const { sink, subscriber } = await reading('news:a', 'market:*');
    hub.detach(subscriber);
    await test.publishMany(2, 'news:a', 'market:a');
    expect(hub.subscribers.size).to.equal(0);
    expect([...hub.stream('news').fanout.readers()]).to.deep.equal([]);
    expect(sink.messages).to.deep.equal([]);
  });

  it('keeps a connection that has taken the id of another one', async () => {
    await start();
    const { subscriber: old } = await reading('news:a');
    const { sink } = test.connect();
    const young = hub.attach(old.id, sink);
    hub.detach(old);
    expect(hub.subscribers.get(old.id)).to.equal(young);
  });

  describe('when it drains', () => {
    it('tells every connection when it will be closed, and closes it then for good', async () => {
      await start();
      const connections = [];
      for (let i = 0; i < 20; i++) connections.push(test.connect());
      const started = performance.now();
      const times: number[] = [];
      for (const { sink } of connections) sink.onClose = () => times.push(performance.now() - started);
      await hub.drain(60);

      const announced = connections.map(({ sink }) => sink.drains);
      expect(announced.every((drains) => drains.length === 1)).to.equal(true);
      expect(announced.flat()).to.deep.equal(Array.from({ length: 20 }, (_, i) => i * 3));
      for (const { sink } of connections) {
        expect(sink.closes).to.have.length(1);
        expect(sink.closes[0]).to.include({ code: 1012, reconnect: 'yes' });
      }
      expect(times.at(-1)).to.be.greaterThan(50);
      expect(hub.draining).to.equal(true);
    });

    it('closes few connections quickly, however long it might take', async () => {
      await start();
      const { sink } = test.connect();
      await hub.drain(30_000);
      expect(sink.drains).to.deep.equal([0]);
      expect(sink.closes).to.have.length(1);
    });

    it('sends away a connection that was admitted before and comes in the meantime', async () => {
      await start();
      for (let i = 0; i < 20; i++) test.connect();
      const draining = hub.drain(60);
      const { sink } = test.connect();
      await draining;
      expect(sink.drains).to.deep.equal([0]);
      expect(sink.closes.map(({ name }) => name)).to.deep.equal(['drain']);
    });

    it('leaves alone a connection that has gone by itself', async () => {
      await start();
      const [, second] = [test.connect(), test.connect()];
      const draining = hub.drain(1_000);
      hub.detach(second.subscriber);
      await draining;
      expect(second.sink.closes).to.deep.equal([]);
    });
  });

  it('names the existing streams if an unknown one is asked for', async () => {
    await start();
    expect(() => hub.stream('sport', 'topic'))
      .to.throw('There is no stream "sport"; there are: market, news, signals')
      .that.includes({ code: 'unknown_stream', field: 'topic' });
    expect(() => hub.topic('x'.repeat(500), 'topics[3]'))
      .to.throw(/^topics\[3\]: "x{200}" is not a topic; a topic is "stream:key"/)
      .that.includes({ code: 'bad_topic' });
  });
});
