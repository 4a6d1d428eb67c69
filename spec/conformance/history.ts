import type { Message } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import { aheadOfTheLog, inAnotherEpoch, needsStream, type Target } from './target.js';
import { eachTestHasVisitor, type Visitor } from './visitor.js';

interface History {
  readonly topic: string;
  readonly messages: readonly Message[];
  readonly cursor: string;
  readonly more: boolean;
  readonly recovered?: boolean;
  readonly reason?: string;
  readonly ok?: boolean;
  readonly error?: { readonly code: string; readonly field?: string };
}
type Query = { readonly topic: string; readonly since?: string; readonly limit?: number };

const WAYS: Record<string, (visitor: Visitor, query: Query) => Promise<History>> = {
  HTTP: async (visitor, { topic, ...rest }) => {
    const query = new URLSearchParams(
      Object.entries(rest).map(([name, value]): [string, string] => [name, String(value)]),
    );
    const { status, body } = await visitor.call<History & { code: string; field: string }>(
      'GET',
      `/api/topics/${encodeURIComponent(topic)}/messages?${query}`,
    );
    return status === 200 ? body : { ...body, error: { code: body.code, field: body.field } };
  },
  socketio: async (visitor, query) =>
    (await (await visitor.connect('socketio')).request('history', query)) as unknown as History,
  websocket: async (visitor, query) =>
    (await (await visitor.connect('websocket')).request('history', query)) as unknown as History,
};

/** Reading what is over. */
export function history(target: Target): void {
  for (const [way, read] of Object.entries(WAYS)) {
    describe(`History over ${way}`, () => {
      needsStream(target, 'news', 'log');
      const visitor = eachTestHasVisitor(target);
      const data = ({ messages }: History) => messages.map((message) => message.data);

      it('has the newest messages of a topic, ascending, as they were delivered', async () => {
        const topic = target.topic('news');
        const published = await visitor().publishAll(topic, ['a', 'b', 'c']);
        const answer = await read(visitor(), { topic, limit: 2 });
        expect(answer).to.include({ topic, more: false }).and.not.have.any.keys('recovered', 'reason');
        expect(answer.messages).to.deep.equal(
          published.slice(1).map(({ seq, time }, i) => ({ topic, seq, time, data: ['b', 'c'][i] })),
        );
      });

      it('has up to 100 unless it is told otherwise', async () => {
        const topic = target.topic('news');
        const items = Array.from({ length: 101 }, (_, n) => ({ topic, data: n }));
        const { body } = await visitor().call<{ results: { seq: number }[] }>(
          'POST',
          '/api/messages',
          JSON.stringify(items),
        );
        await visitor().nodeHas({ topic, seq: body.results.at(-1)!.seq, epoch: '', time: 0 });
        expect(data(await read(visitor(), { topic }))).to.deep.equal(items.slice(1).map((item) => item.data));
        expect((await read(visitor(), { topic, limit: 1000 })).messages).to.have.length(101);
      });

      it('is empty for a topic without a message', async () => {
        const { messages, more, cursor } = await read(visitor(), { topic: target.topic('news') });
        expect({ messages, more }).to.deep.equal({ messages: [], more: false });
        expect(cursor).to.be.a('string');
      });

      it('brings every message once, in order, when it is paged with its cursor', async () => {
        const [topic, other] = [target.topic('news'), target.topic('news')];
        let { cursor } = await visitor().stream('news');
        const values = Array.from({ length: 7 }, (_, n) => n);
        for (const value of values) {
          await visitor().publish(other, 'between');
          await visitor().publishAll(topic, [value]);
        }
        const seen: unknown[] = [];
        const sizes: number[] = [];
        let page: History;
        do {
          page = await read(visitor(), { topic, since: cursor, limit: 3 });
          expect(page.recovered).to.equal(true);
          seen.push(...data(page));
          sizes.push(page.messages.length);
          cursor = page.cursor;
        } while (page.more);
        expect(seen).to.deep.equal(values);
        expect(sizes.slice(0, 3)).to.deep.equal([3, 3, 1]);
        expect(await read(visitor(), { topic, since: cursor })).to.deep.include({
          messages: [],
          more: false,
          recovered: true,
        });
      });

      it('ends with a cursor that a subscription continues from', async () => {
        const topic = target.topic('news');
        await visitor().publishAll(topic, [1, 2]);
        const answer = await read(visitor(), { topic });
        expect(data(answer)).to.deep.equal([1, 2]);
        await visitor().publishAll(topic, [3]);
        const client = await visitor().subscribe('websocket', { topics: [topic], since: answer.cursor });
        expect(client.verdicts).to.deep.equal([{ topic, recovered: true }]);
        await client.received(1, topic);
        expect(client.seen.data()).to.deep.equal([3]);
      });

      it('of stream:* has every key', async () => {
        const [a, b] = [target.topic('news'), target.topic('news')];
        const { cursor } = await visitor().stream('news');
        await visitor().publish(a, 1);
        await visitor().publishAll(b, [2]);
        const { messages } = await read(visitor(), { topic: 'news:*', since: cursor, limit: 1000 });
        expect(
          messages.filter(({ topic }) => topic === a || topic === b).map((message) => message.data),
        ).to.deep.equal([1, 2]);
      });

      it('says why it cannot continue from a cursor, and has the newest messages instead', async function () {
        const topic = target.topic('news');
        await visitor().publishAll(topic, [1, 2]);
        const now = await visitor().stream('news');
        for (const [since, reason] of [
          ['-', 'no_position'],
          [inAnotherEpoch(now), 'epoch_changed'],
          [aheadOfTheLog(now), 'ahead'],
        ] as const) {
          if (since === undefined) target.skip(this, 'its cursors do not show epoch and seq');
          const answer = await read(visitor(), { topic, since, limit: 1 });
          expect(answer, reason).to.include({ recovered: false, reason, more: false });
          expect(data(answer), reason).to.deep.equal([2]);
        }
      });

      it('refuses invalid parameters, naming the field', async () => {
        const topic = target.topic('news');
        const cases: [Query, string, string][] = [
          [{ topic, limit: 0 }, 'bad_request', 'limit'],
          [{ topic, limit: 1001 }, 'bad_request', 'limit'],
          [{ topic, limit: 1.5 }, 'bad_request', 'limit'],
          [{ topic, since: '' }, 'bad_request', 'since'],
          [{ topic, since: 'no cursor' }, 'bad_cursor', 'since'],
          [{ topic: 'news' }, 'bad_topic', 'topic'],
          [{ topic: 'no-such-stream:a' }, 'unknown_stream', 'topic'],
        ];
        for (const [query, code, field] of cases) {
          const { error } = await read(visitor(), query);
          expect(error, JSON.stringify(query)).to.include({ code, field });
        }
      });
    });
  }
}
