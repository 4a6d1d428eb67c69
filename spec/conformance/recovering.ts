import type { Message } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import { EventSource } from 'eventsource';
import { until } from '../support/wait.js';
import { aheadOfTheLog, inAnotherEpoch, needsStream, type Target } from './target.js';
import { eachTestHasVisitor, received } from './visitor.js';

/** How the ordinary client of each transport comes back by itself after its connection is lost. */
export function recovering(target: Target): void {
  describe('An unmodified socket.io-client whose connection is cut', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    it('is recovered with its id and its topics, and gets what it missed, in order, once', async () => {
      const topics = [target.topic('news'), target.topic('news')];
      const [a, b] = topics as [string, string];
      const { socket, events } = visitor().recordSocketIo();
      await socket.timeout(5_000).emitWithAck('subscribe', { topics });
      const { id } = socket;
      await visitor().publish(a, 'seen');
      const messages = () =>
        events.filter(([name]) => name === 'message').map(([, message]) => message as Message);
      await until('a message comes', () => messages().length > 0);

      socket.io.engine.close();
      await until('the connection is lost', () => !socket.connected);
      await visitor().publish(a, 1);
      await visitor().publish(b, 2);
      await until('the client is back', () => socket.connected);
      expect(socket.recovered).to.equal(true);
      expect(socket.id).to.equal(id);
      await visitor().publish(a, 'live');
      await until('the live message comes', () => messages().some(({ data }) => data === 'live'));
      expect(messages().map(({ data }) => data)).to.deep.equal(['seen', 1, 2, 'live']);

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
      await client.socket.timeout(5_000).emitWithAck('subscribe', { topics: [topic] });
      for (let round = 1; round <= 3; round++) {
        client.socket.io.engine.close();
        await until('the connection is lost', () => !client.socket.connected);
        await visitor().publish(topic, round);
        await received(client, topic, round);
      }
      expect(client.recovered).to.deep.equal([false, true, true, true]);
      expect(client.seen.data()).to.deep.equal([1, 2, 3]);
    });

    it('is recovered over long polling', async () => {
      const topic = target.topic('news');
      const client = await visitor().connectSocketIo(['polling']);
      await client.socket.timeout(5_000).emitWithAck('subscribe', { topics: [topic] });
      client.socket.io.engine.close();
      await until('the connection is lost', () => !client.socket.connected);
      await visitor().publish(topic, 'missed');
      await received(client, topic, 1);
      expect(client.recovered).to.deep.equal([false, true]);
    });

    it('does not read again what it had unsubscribed from', async () => {
      const [ended, kept] = [target.topic('news'), target.topic('news')];
      const client = await visitor().connectSocketIo();
      await client.socket.timeout(5_000).emitWithAck('subscribe', { topics: [ended, kept] });
      await client.socket.timeout(5_000).emitWithAck('unsubscribe', { topics: [ended] });
      client.socket.io.engine.close();
      await until('the client is back', () => client.recovered.length > 1);
      await visitor().publish(ended, 'unwanted');
      await visitor().publish(kept, 'fence');
      await received(client, kept, 1);
      expect(client.recovered).to.deep.equal([false, true]);
      expect(client.seen.data()).to.deep.equal(['fence']);
    });

    it('gets the snapshot of a state topic of which it has seen nothing', async function () {
      const lack = target.lacks('market', 'state');
      if (lack !== undefined) target.skip(this, lack);
      const topic = target.topic('market');
      const client = await visitor().connectSocketIo();
      await client.socket.timeout(5_000).emitWithAck('subscribe', { topics: [topic] });
      client.socket.io.engine.close();
      await until('the connection is lost', () => !client.socket.connected);
      await visitor().publishAll(topic, ['missed']);
      await received(client, topic, 1);
      expect(client.recovered).to.deep.equal([false, true]);
      expect(client.seen.data(topic).at(-1)).to.equal('missed');
    });
  });

  describe('A socket.io-client whose session is refused', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    it('is told session_expired where nobody knows it', async () => {
      const { socket, events } = visitor().recordSocketIo({ pid: 'nobody-knows-this-one', offset: '-' });
      await until('it is welcomed', () => events.length > 0);
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
        const first = visitor().recordSocketIo();
        await first.socket.timeout(5_000).emitWithAck('subscribe', { topics: [topic] });
        const offset = forge(await visitor().stream('news'));
        if (offset === undefined) target.skip(this, 'its cursors do not show epoch and seq');
        first.socket.io.engine.close();

        const { socket, events } = visitor().recordSocketIo({ pid: privateId(first.socket), offset });
        await until('it is welcomed', () => events.length > 0);
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
    let source: EventSource | undefined;
    afterEach(() => source?.close());

    it('comes back by itself and gets what it missed, in order, once', async () => {
      const topic = target.topic('news');
      await visitor().publishAll(topic, ['rewound']);
      const cuts: (() => void)[] = [];
      // The address still says `rewind`; the Last-Event-ID is newer.
      source = new EventSource(`${visitor().url}/stream?topics=${topic}&rewind=1`, {
        fetch: async (input, init) => {
          const response = await fetch(input, {
            ...init,
            headers: { ...init.headers, 'X-Forwarded-For': visitor().address },
          });
          const { body, cut } = cuttable(response);
          cuts.push(cut);
          return new Response(body, { status: response.status, headers: response.headers });
        },
      });
      const data: unknown[] = [];
      const verdicts: unknown[] = [];
      source.onmessage = ({ data: text }) => data.push((JSON.parse(String(text)) as Message).data);
      source.addEventListener('position', ({ data: text }) => {
        const { topics } = JSON.parse(String(text)) as { topics?: unknown };
        if (topics !== undefined) verdicts.push(topics);
      });
      await until('the rewound message comes', () => data.length > 0);
      await visitor().publish(topic, 'seen');
      await until('a live message comes', () => data.length > 1);

      cuts[0]!();
      await until('it is lost', () => source?.readyState === source?.CONNECTING);
      await visitor().publish(topic, 1);
      await visitor().publish(topic, 2);
      await until('it is back', () => verdicts.length > 1);
      await visitor().publish(topic, 'live');
      await until('the live message comes', () => data.includes('live'));
      expect(data).to.deep.equal(['rewound', 'seen', 1, 2, 'live']);
      expect(verdicts).to.deep.equal([[{ topic }], [{ topic, recovered: true }]]);
    });
  });

  describe('A WebSocket client that resends its cursor', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    it('gets what it missed, in order, once, after its connection is cut', async () => {
      const topic = target.topic('news');
      const client = await visitor().subscribe('websocket', { topics: [topic] });
      await visitor().publish(topic, 'seen');
      await received(client, topic, 1);
      (client as unknown as { socket: { terminate(): void } }).socket.terminate();
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

/** The body of a response that a test can end in the middle. */
function cuttable(response: Response): { body: ReadableStream<Uint8Array> | null; cut: () => void } {
  if (response.body === null) return { body: null, cut: () => undefined };
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return { body, cut: () => void reader.cancel() };
}
