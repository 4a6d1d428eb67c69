import type { Message } from '@axiom-streaming/protocol/message';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import { until } from '../support/wait.js';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor, messagesOf, SOCKETS } from './visitor.js';

const MESSAGES = 40;
/** A rate at which a burst of publishing is folded, and its rest does not take long. */
const RATE = 4;

/** `conflate` and `maxRate`. */
export function conflating(target: Target): void {
  describe('A conflated subscription', () => {
    needsStream(target, 'news', 'log');
    needsStream(target, 'market', 'state');
    const visitor = eachTestHasVisitor(target);
    const total = (messages: readonly Message[]) =>
      messages.reduce((sum, { conflated = 0 }) => sum + 1 + conflated, 0);
    const values = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

    for (const transport of TRANSPORTS) {
      describe(`over ${transport}`, () => {
        it('gets the first message at once, the newest in the end, and says how many were folded', async () => {
          const [topic, other] = [target.topic('market'), target.topic('market')];
          const client = await visitor().subscribe(transport, {
            topics: [topic, other],
            conflate: 'latest',
            maxRate: RATE,
          });
          const started = performance.now();
          await visitor().publishAll(topic, values(MESSAGES));
          await visitor().publish(other, 'first');
          await client.received(1, other);
          await until('the newest has come', () => client.seen.data(topic).at(-1) === MESSAGES);
          const seconds = (performance.now() - started) / 1_000;
          const messages = messagesOf(client, topic);
          expect(messages[0]).to.deep.include({ data: 1, conflated: 0 });
          expect(total(messages), 'delivered and folded').to.equal(MESSAGES);
          expect(messages.length, 'messages in that time').to.be.at.most(seconds * RATE + 1);
          const seqs = messages.map(({ seq }) => seq);
          expect(seqs).to.deep.equal([...seqs].sort((a, b) => a - b));
        });

        it('has fields laid over one another with "merge"', async () => {
          const topic = target.topic('market');
          const client = await visitor().subscribe(transport, {
            topics: [topic],
            conflate: 'merge',
            maxRate: RATE,
          });
          await visitor().publish(topic, { bid: 0 });
          const parts = values(MESSAGES).map((n) => (n % 2 ? { bid: n } : { ask: n }));
          for (const part of parts) await visitor().publish(topic, part);
          await until('all are counted', () => total(messagesOf(client, topic)) === MESSAGES + 1);
          const seen = messagesOf(client, topic).map(({ data }) => data as object);
          expect(Object.assign({}, ...seen)).to.deep.equal({ bid: MESSAGES - 1, ask: MESSAGES });
        });

        it('is resumed by the newest of each key that has changed', async () => {
          const [changed, same] = [target.topic('news'), target.topic('news')];
          await visitor().publishAll(changed, ['seen']);
          await visitor().publishAll(same, ['seen too']);
          const earlier = await visitor().connect('websocket');
          const { cursor } = await earlier.request('subscribe', { topics: [changed, same] });
          await visitor().publishAll(changed, values(3));
          const client = await visitor().subscribe(transport, {
            topics: [changed, same],
            since: String(cursor),
            conflate: 'latest',
            maxRate: RATE,
          });
          expect(client.verdicts).to.deep.equal([
            { topic: changed, recovered: false, reason: 'conflated' },
            { topic: same, recovered: true },
          ]);
          await client.received(1, changed);
          await visitor().publish(same, 'fence');
          await client.received(1, same);
          expect(client.seen.data()).to.deep.equal([3, 'fence']);
        });
      });
    }

    for (const transport of SOCKETS) {
      describe(`over ${transport}`, () => {
        it('stays so, and can be given a lower rate and no higher one', async () => {
          const topic = target.topic('news');
          const client = await visitor().connect(transport);
          const conflated = (maxRate: number) => ({ topics: [topic], conflate: 'latest', maxRate });
          expect((await client.request('subscribe', conflated(RATE))).ok).to.equal(true);
          expect((await client.request('subscribe', conflated(RATE / 2))).ok).to.equal(true);
          const { ok, error } = await client.request('subscribe', conflated(RATE));
          expect(ok).to.equal(false);
          expect(error).to.include({ code: 'bad_request', field: 'maxRate' });
          expect((await client.request('subscribe', { topics: [topic] })).ok).to.equal(true);
          await visitor().publishAll(topic, values(10));
          await until('all are counted', () => total(messagesOf(client, topic)) === 10);
          expect(client.seen.messages.length).to.be.below(10);
        });

        it('leaves the other topics of the connection alone', async () => {
          const [conflated, other] = [target.topic('news'), target.topic('news')];
          const client = await visitor().connect(transport);
          await client.request('subscribe', { topics: [conflated], conflate: 'latest', maxRate: RATE });
          await client.request('subscribe', { topics: [other] });
          for (const n of values(5)) {
            await visitor().publish(conflated, n);
            await visitor().publish(other, n);
          }
          await client.received(5, other);
          expect(client.seen.data(other)).to.deep.equal(values(5));
          expect(messagesOf(client, other).every((message) => !('conflated' in message))).to.equal(true);
        });

        for (const [what, request_, field] of [
          ['without maxRate', { conflate: 'latest' }, 'maxRate'],
          ['without conflate', { maxRate: 1 }, 'conflate'],
          ['with a rate of 0', { conflate: 'latest', maxRate: 0 }, 'maxRate'],
          ['with a rate above 1000', { conflate: 'latest', maxRate: 1001 }, 'maxRate'],
          ['in a mode that does not exist', { conflate: 'oldest', maxRate: 1 }, 'conflate'],
        ] as const) {
          it(`is refused ${what}`, async () => {
            const client = await visitor().connect(transport);
            const ack = await client.request('subscribe', { topics: [target.topic('news')], ...request_ });
            expect(ack.error).to.include({ code: 'bad_request', field });
          });
        }
      });
    }

    it('is taken up by Socket.IO with its session', async () => {
      const topic = target.topic('news');
      const client = await visitor().connectSocketIo();
      await client.request('subscribe', {
        topics: [topic],
        conflate: 'latest',
        maxRate: RATE,
      });
      await visitor().publishAll(topic, ['seen']);
      await client.received(1, topic);
      client.socket.io.engine.close();
      await visitor().publishAll(topic, values(3));
      await until('it is back', () => client.recovered.length === 2);
      expect(client.recovered).to.deep.equal([false, true]);
      await until('the newest has come', () => client.seen.data(topic).at(-1) === 3);
      await visitor().publishAll(topic, values(9));
      await until('it is live', () => client.seen.data(topic).at(-1) === 9);
      expect(client.seen.messages.length, 'messages').to.be.below(10);
    });
  });

  describe('Conflation of a ledger', () => {
    needsStream(target, 'signals', 'ledger');
    const visitor = eachTestHasVisitor(target);

    for (const transport of SOCKETS) {
      it(`is refused over ${transport}`, async () => {
        const client = await visitor().connect(transport);
        const ack = await client.request('subscribe', {
          topics: [target.topic('signals')],
          conflate: 'latest',
          maxRate: 1,
        });
        expect(ack.error).to.include({ code: 'unsupported', field: 'conflate' });
      });
    }

    it('is refused over SSE before the stream begins', async () => {
      const stream = await visitor().openStream({
        topics: target.topic('signals'),
        conflate: 'latest',
        maxRate: '1',
      });
      expect(stream.status).to.equal(422);
      await until('the answer is whole', () => stream.ended);
      expect(stream.json()).to.include({ code: 'unsupported', field: 'conflate' });
    });
  });
}
