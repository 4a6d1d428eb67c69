import { expect } from 'chai';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor, type Published } from './visitor.js';

/** The default limit. */
const MAX_ITEMS = 1_000;

type Result = Partial<Published> & {
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly message: string; readonly field?: string };
};

/** `POST /api/messages`. */
export function batches(target: Target): void {
  describe('A batch', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);
    const post = (body: string) =>
      visitor().call<{ results: Result[]; code?: string; field?: string }>('POST', '/api/messages', body);

    for (const [form, text] of [
      ['JSON array', (items: readonly unknown[]) => `\n${JSON.stringify(items, null, 2)}\n`],
      ['NDJSON', (items: readonly unknown[]) => items.map((item) => JSON.stringify(item)).join('\n')],
      [
        'NDJSON with CRLF and empty lines',
        (items) => items.map((i) => `${JSON.stringify(i)}\r\n\r\n`).join(''),
      ],
    ] as const satisfies [string, (items: readonly unknown[]) => string][]) {
      it(`is taken as ${form}, with a result for each item, in order`, async () => {
        const [a, b] = [target.topic('news'), target.topic('news')];
        const client = await visitor().subscribe('websocket', { topics: [a, b] });
        const items = Array.from({ length: 20 }, (_, n) => ({ topic: n % 2 ? a : b, data: { n } }));
        const { status, body } = await post(text(items));
        expect(status).to.equal(200);
        expect(body.results.map(({ ok, topic }) => ({ ok, topic }))).to.deep.equal(
          items.map(({ topic }) => ({ ok: true, topic })),
        );
        await client.received(10, a);
        expect(client.seen.messages).to.deep.equal(
          items.map(({ topic, data }, i) => {
            const { seq, time } = body.results[i]!;
            return { topic, seq, time, data };
          }),
        );
      });
    }

    it('takes the good items and refuses the bad ones, each by itself', async () => {
      const topic = target.topic('news');
      const { status, body } = await post(
        JSON.stringify([
          { topic, data: 1 },
          { topic },
          { data: 1 },
          { topic: 'news:*', data: 1 },
          { topic: 'no-such-stream:a', data: 1 },
          { topic, data: 1, more: true },
          { topic, data: 1, id: '' },
          'no object',
          { topic, data: null },
        ]),
      );
      expect(status).to.equal(200);
      expect(
        body.results.map(({ ok, error }) => (ok ? 'ok' : `${error?.code} ${error?.field ?? ''}`.trim())),
      ).to.satisfy((results: string[]) => {
        expect(results[5], 'a field that does not exist').to.match(/^bad_request\b/);
        expect(results.toSpliced(5, 1)).to.deep.equal([
          'ok',
          'bad_request data',
          'bad_request topic',
          'bad_topic topic',
          'unknown_stream topic',
          'bad_request id',
          'bad_request',
          'ok',
        ]);
        return true;
      });
      expect(body.results[8]!.seq).to.be.greaterThan(body.results[0]!.seq!);
    });

    it('may be sent again as a whole where its items have ids', async () => {
      const topic = target.topic('news');
      const items = JSON.stringify([1, 2, 3].map((n) => ({ topic, data: n, id: `${topic} ${n}` })));
      const first = await post(items);
      const repeat = await post(items);
      expect(repeat.body.results).to.deep.equal(
        first.body.results.map((result) => ({ ...result, duplicate: true })),
      );
    });

    it('knows the same id twice within itself', async () => {
      const topic = target.topic('news');
      const item = { topic, data: 1, id: `${topic} twice` };
      const { body } = await post(JSON.stringify([item, item, { ...item, data: 2 }]));
      const [one, two, three] = body.results;
      expect(two).to.deep.equal({ ...one, duplicate: true });
      expect(three?.error?.code).to.equal('idempotency_conflict');
    });

    it('may be empty as an array, and not as a body', async () => {
      expect((await post('[]')).body).to.deep.equal({ results: [] });
      const { status, body } = await post('  ');
      expect(status).to.equal(400);
      expect(body).to.include({ code: 'bad_json', field: 'body' });
    });

    it('is refused as a whole if a line is not JSON, naming the line', async () => {
      const [topic, fence] = [target.topic('news'), target.topic('news')];
      const client = await visitor().subscribe('websocket', { topics: [topic, fence] });
      const { status, body } = await post(`${JSON.stringify({ topic, data: 'unwanted' })}\n{"topic"`);
      expect(status).to.equal(400);
      expect(body).to.include({ code: 'bad_json', field: 'line 2' });
      await visitor().publish(fence, 'fence');
      await client.received(1, fence);
      expect(client.seen.data()).to.deep.equal(['fence']);
    });

    it('is refused as a whole if it has too many items', async function () {
      const topic = target.topic('news');
      const items = Array.from({ length: MAX_ITEMS + 1 }, (_, data) => ({ topic, data }));
      const { status, body } = await post(JSON.stringify(items));
      if (status === 200) target.skip(this, `the target takes batches of more than ${MAX_ITEMS} messages`);
      expect(status).to.equal(413);
      expect(body).to.include({ code: 'batch_too_large', field: 'body' });
      const most = await post(JSON.stringify(items.slice(1)));
      expect(most.status).to.equal(200);
      expect(most.body.results).to.have.length(MAX_ITEMS);
    });
  });
}
