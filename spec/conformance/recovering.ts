import { expect } from 'chai';
import { until } from '../support/wait.js';
import { aheadOfTheLog, inAnotherEpoch, needsStream, type Target } from './target.js';
import { eachTestHasVisitor } from './visitor.js';

/** How the ordinary client of each transport comes back by itself after its connection is lost. */
export function recovering(target: Target): void {
  describe('An unmodified socket.io-client whose connection is cut', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    it('is recovered with its id and its topics, and gets what it missed, in order, once', async () => {
      const topics = [target.topic('news'), target.topic('news')];
      const [a, b] = topics as [string, string];
      const client = await visitor().connectSocketIo();
      const { socket, events, seen } = client;
      await client.request('subscribe', { topics });
      const { id } = socket;
      await visitor().publish(a, 'seen');
      await client.received(1);

      client.cut();
      await until('the connection is lost', () => !socket.connected);
      await visitor().publish(a, 1);
      await visitor().publish(b, 2);
      await until('the client is back', () => socket.connected);
      expect(socket.recovered).to.equal(true);
      expect(socket.id).to.equal(id);
      await visitor().publish(a, 'live');
      await until('the live message comes', () => seen.data().includes('live'));
      expect(seen.data()).to.deep.equal(['seen', 1, 2, 'live']);

      const [, info, cursor] = events.filter(([name]) => name === 'welcome')[1]!;
      expect(info).to.deep.include({
        connection: id,
        recovered: true,
        topics: topics.map((topic) => ({ topic, recovered: true })),
      });
      expect(cursor).to.be.a('string').and.not.equal('-');
    });

    it('is recovered although it has not seen a message, and again and again', async () => {
      const topic = target.topic('news');
      const client = await visitor().connectSocketIo();
      await client.request('subscribe', { topics: [topic] });
      for (let round = 1; round <= 3; round++) {
        client.cut();
        await until('the connection is lost', () => !client.socket.connected);
        await visitor().publish(topic, round);
        await client.received(round, topic);
      }
      expect(client.recovered).to.deep.equal([false, true, true, true]);
      expect(client.seen.data()).to.deep.equal([1, 2, 3]);
    });

    it('is recovered over long polling', async () => {
      const topic = target.topic('news');
      const client = await visitor().connectSocketIo({ transports: ['polling'] });
      await client.request('subscribe', { topics: [topic] });
      client.cut();
      await until('the connection is lost', () => !client.socket.connected);
      await visitor().publish(topic, 'missed');
      await client.received(1, topic);
      expect(client.recovered).to.deep.equal([false, true]);
    });

    it('does not read again what it had unsubscribed from', async () => {
      const [ended, kept] = [target.topic('news'), target.topic('news')];
      const client = await visitor().connectSocketIo();
      await client.request('subscribe', { topics: [ended, kept] });
      await client.request('unsubscribe', { topics: [ended] });
      client.cut();
      await until('the client is back', () => client.recovered.length > 1);
      await visitor().publish(ended, 'unwanted');
      await visitor().publish(kept, 'fence');
      await client.received(1, kept);
      expect(client.recovered).to.deep.equal([false, true]);
      expect(client.seen.data()).to.deep.equal(['fence']);
    });

    it('gets the snapshot of a state topic of which it has seen nothing', async function () {
      const lack = target.lacks('market', 'state');
      if (lack !== undefined) target.skip(this, lack);
      const topic = target.topic('market');
      const client = await visitor().connectSocketIo();
      await client.request('subscribe', { topics: [topic] });
      client.cut();
      await until('the connection is lost', () => !client.socket.connected);
      await visitor().publishAll(topic, ['missed']);
      await client.received(1, topic);
      expect(client.recovered).to.deep.equal([false, true]);
      expect(client.seen.data(topic).at(-1)).to.equal('missed');
    });
  });

  describe('A socket.io-client whose session is refused', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    it('is told session_expired where nobody knows it', async () => {
      const { socket, events } = await visitor().connectSocketIo({
        auth: { pid: 'nobody-knows-this-one', offset: '-' },
      });
      expect(socket.recovered).to.equal(false);
      const [name, info, cursor] = events[0]!;
      expect(name).to.equal('welcome');
      expect(info).to.deep.include({ recovered: false, reason: 'session_expired' });
      expect(cursor).to.equal('-');
    });

    for (const [reason, forge] of [
      ['epoch_changed', inAnotherEpoch],
      ['ahead', aheadOfTheLog],
    ] as const) {
      it(`is told ${reason}, with a verdict for each topic, and reads nothing`, async function () {
        const [topic, fence] = [target.topic('news'), target.topic('news')];
        const first = await visitor().connectSocketIo();
        await first.request('subscribe', { topics: [topic] });
        const offset = forge(await visitor().stream('news'));
        if (offset === undefined) target.skip(this, 'its cursors do not show epoch and seq');
        first.cut();

        const { socket, events } = await visitor().connectSocketIo({
          auth: { pid: privateId(first.socket), offset },
        });
        expect(socket.recovered).to.equal(false);
        expect(events[0]?.[1]).to.deep.include({
          recovered: false,
          reason,
          topics: [{ topic, recovered: false, reason }],
        });
        await socket.timeout(5_000).emitWithAck('subscribe', { topics: [fence] });
        await visitor().publish(topic, 'unwanted');
        await visitor().publish(fence, 'wanted');
        await until('the message comes', () => events.some(([name]) => name === 'message'));
        expect(events.find(([name]) => name === 'message')?.[1]).to.deep.include({ data: 'wanted' });
      });
    }
  });

  describe('An EventSource whose connection is cut', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    it('comes back by itself and gets what it missed, in order, once', async () => {
      const topic = target.topic('news');
      await visitor().publishAll(topic, ['rewound']);
      // The address still says `rewind` when it comes back; the Last-Event-ID is newer.
      const client = await visitor().subscribe('sse', { topics: [topic], rewind: 1 });
      await client.received(1);
      await visitor().publish(topic, 'seen');
      await client.received(2);
      const { verdicts } = client;

      client.cut();
      await until('it is lost', () => client.seen.losses > 0);
      await visitor().publish(topic, 1);
      await visitor().publish(topic, 2);
      await until('it is back', () => client.seen.nodes.length > 1);
      await visitor().publish(topic, 'live');
      await until('the live message comes', () => client.seen.data().includes('live'));
      expect(client.seen.data()).to.deep.equal(['rewound', 'seen', 1, 2, 'live']);
      expect([verdicts, client.verdicts]).to.deep.equal([[{ topic }], [{ topic, recovered: true }]]);
      expect(client.seen.nodes).to.have.length(2);
    });
  });

  describe('A WebSocket client that resends its cursor', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    it('gets what it missed, in order, once, after its connection is cut', async () => {
      const topic = target.topic('news');
      const client = await visitor().subscribe('websocket', { topics: [topic] });
      await visitor().publish(topic, 'seen');
      await client.received(1, topic);
      client.cut();
      await until('the connection is lost', () => client.seen.losses > 0);
      await visitor().publish(topic, 1);
      await visitor().publish(topic, 2);
      await until('it is back', () => client.seen.nodes.length > 1);
      await visitor().publish(topic, 'live');
      await until('the live message comes', () => client.seen.data().includes('live'));
      expect(client.seen.data()).to.deep.equal(['seen', 1, 2, 'live']);
      expect(client.verdicts).to.deep.equal([{ topic, recovered: true }]);
    });
  });
}

/** The id that a client shows to be recovered. Private in the client's types; public on the wire. */
function privateId(socket: object): string {
  return (socket as { readonly _pid: string })._pid;
}
