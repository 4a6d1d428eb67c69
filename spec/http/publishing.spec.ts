import { gzipSync } from 'node:zlib';
import type { Problem } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { call, get, publish, publishAll } from '../support/http.js';
import { until } from '../support/wait.js';
import { startTestApp } from './test-app.js';

interface Result {
  readonly ok: boolean;
  readonly topic?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly code: string; readonly message: string; readonly field?: string };
}

describe('Publishing over HTTP', () => {
  let app: RunningNode;
  let topics = 0;

  before(async () => {
    app = await startTestApp({ MAX_MESSAGE_BYTES: '2000', MAX_BATCH_ITEMS: '20', MAX_BATCH_BYTES: '10000' });
  });

  after(() => app?.stop());

  /** A topic that no other spec has used. */
  const newTopic = () => {
    topics += 1;
    return `news:t${topics}`;
  };
  const address = (topic: string) => `${app.url}/api/topics/${encodeURIComponent(topic)}/messages`;
  const send = (topic: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    call<Problem & Record<string, unknown>>('POST', address(topic), body, headers);
  const newest = async (topic: string) => {
    const { body } = await get<{ messages: { data: unknown; seq: number }[] }>(`${address(topic)}?limit=1`);
    return body.messages[0];
  };
  const expectProblem = (
    { status, headers, body }: Awaited<ReturnType<typeof send>>,
    expected: { status: number; code: string; field?: string },
  ) => {
    expect({ status, code: body.code, field: body.field }).to.deep.equal({ field: undefined, ...expected });
    expect(headers.get('content-type')).to.match(/^application\/problem\+json/);
  };

  describe('of one message', () => {
    it('answers 201 with topic, seq, epoch and time', async () => {
      const topic = newTopic();
      const { status, body, headers } = await publish(app.url, topic, { price: 187.2 });
      const second = await publish(app.url, topic, { price: 187.3 });

      expect(status).to.equal(201);
      expect(Object.keys(body)).to.deep.equal(['topic', 'seq', 'epoch', 'time']);
      expect(body.topic).to.equal(topic);
      expect(body.epoch).to.match(/^[A-Za-z0-9]+$/);
      expect(body.time).to.be.closeTo(Date.now(), 60_000);
      expect(second.body.seq).to.equal((body.seq as number) + 1);
      expect(headers.get('content-type')).to.match(/^application\/json/);
      expect(headers.get('cache-control')).to.equal('no-store');
    });

    it('takes any JSON value, whatever its content type says', async () => {
      const topic = newTopic();
      for (const data of [null, true, 0, -1.5e3, '', 'ü 🚀', [], [1, [2]], {}, { a: { b: null } }]) {
        const { status } = await publish(app.url, topic, data, {
          'Content-Type': 'application/x-www-form-urlencoded',
        });
        expect(status, JSON.stringify(data)).to.equal(201);
        expect((await newest(topic))!.data).to.deep.equal(data);
      }
    });

    it('carries the text as it is, without line breaks', async () => {
      const topic = newTopic();
      await send(topic, ' {\n  "n": 12345678901234567890.50,\r\n  "s": "a\\nb"\n} \n');
      const response = await fetch(`${address(topic)}?limit=1`);
      expect(await response.text()).to.include('"data":{   "n": 12345678901234567890.50,   "s": "a\\nb" }');
    });

    it('takes a key with a slash, encoded', async () => {
      const { status, body } = await publish(app.url, 'news:desk/europe', 1);
      expect(status).to.equal(201);
      expect(body.topic).to.equal('news:desk/europe');
    });

    it('reads a body that is compressed, by the size that it has then', async () => {
      const topic = newTopic();
      const gzip = { 'Content-Encoding': 'gzip' };
      expect((await send(topic, gzipSync('{"a":1}'), gzip)).status).to.equal(201);
      expect((await newest(topic))!.data).to.deep.equal({ a: 1 });
      expectProblem(await send(topic, gzipSync(JSON.stringify('x'.repeat(100_000))), gzip), {
        status: 413,
        code: 'too_large',
        field: 'body',
      });
      expectProblem(await send(topic, '1', { 'Content-Encoding': 'rot13' }), {
        status: 415,
        code: 'unsupported_type',
        field: 'body',
      });
    });

    it('is harmless to repeat with an Idempotency-Key', async () => {
      const topic = newTopic();
      const key = { 'Idempotency-Key': 'order 1' };
      const first = await publish(app.url, topic, { a: 1 }, key);
      const again = await publish(app.url, topic, { a: 1 }, key);
      const other = await publish(app.url, topic, { a: 2 }, key);

      expect(again.status).to.equal(201);
      expect(again.body).to.deep.equal({ ...first.body, duplicate: true });
      expectProblem(other as never, { status: 409, code: 'idempotency_conflict', field: 'id' });
      expect(await newest(topic)).to.deep.include({ seq: first.body.seq, data: { a: 1 } });
    });

    it('takes an Idempotency-Key in UTF-8 for the id that it is in a batch', async () => {
      const [topic, id] = [newTopic(), 'Bestellung €7 für Zoë'];
      // A header has bytes, which `fetch` takes as the characters of Latin-1.
      const key = { 'Idempotency-Key': Buffer.from(id).toString('latin1') };
      const one = await publish(app.url, topic, 1, key);
      const { body } = await publishAll(app.url, [{ topic, data: 1, id }]);
      expect(body.results[0]).to.deep.include({ ok: true, seq: one.body.seq, duplicate: true });
      const latin1 = { 'Idempotency-Key': 'caf\u00e9' };
      const other = await publish(app.url, topic, 2, latin1);
      expect((await publish(app.url, topic, 2, latin1)).body).to.include({
        seq: other.body.seq,
        duplicate: true,
      });
      const long = { 'Idempotency-Key': Buffer.from('€'.repeat(256)).toString('latin1') };
      expect((await send(newTopic(), '1', long)).status).to.equal(201);
    });

    it('leaves out a byte order mark, like a batch', async () => {
      const topic = newTopic();
      const item = JSON.stringify({ topic, data: 2 });
      expect((await send(topic, '\ufeff{"n":1}')).status).to.equal(201);
      expect((await newest(topic))!.data).to.deep.equal({ n: 1 });
      for (const body of [`\ufeff[${item}]`, `\ufeff${item}\r\n${item}`]) {
        expect((await call('POST', `${app.url}/api/messages`, body)).status).to.equal(200);
      }
      expect((await newest(topic))!.data).to.equal(2);
    });

    it('refuses an Idempotency-Key that is empty or too long', async () => {
      for (const key of ['', 'x'.repeat(257)]) {
        expectProblem(await send(newTopic(), '1', { 'Idempotency-Key': key }), {
          status: 400,
          code: 'bad_request',
          field: 'Idempotency-Key',
        });
      }
      expect((await send(newTopic(), '1', { 'Idempotency-Key': 'x'.repeat(256) })).status).to.equal(201);
    });

    it('refuses a body that is not JSON', async () => {
      for (const body of ['', ' ', '{', "{'a':1}", 'NaN', '1 2', Buffer.from([0x22, 0xff, 0x22])]) {
        expectProblem(await send(newTopic(), body), { status: 400, code: 'bad_json', field: 'body' });
      }
    });

    it('refuses a message that is too large, by its bytes', async () => {
      const topic = newTopic();
      expect((await publish(app.url, topic, 'x'.repeat(1_998))).status).to.equal(201);
      const few = await send(topic, JSON.stringify('x'.repeat(1_999)));
      expectProblem(few, { status: 413, code: 'too_large', field: 'data' });
      expect(few.body.detail).to.equal('data: 2001 bytes; a message has at most 2000');
      expectProblem(await send(topic, JSON.stringify('x'.repeat(50_000))), {
        status: 413,
        code: 'too_large',
        field: 'body',
      });
    });

    it('refuses an invalid topic, an unknown stream, or a whole stream', async () => {
      for (const [topic, status, code] of [
        ['news', 400, 'bad_topic'],
        ['news:a b', 400, 'bad_topic'],
        ['news:*', 400, 'bad_topic'],
        ['sport:a', 404, 'unknown_stream'],
      ] as const) {
        expectProblem(await send(topic, '1'), { status, code, field: 'topic' });
      }
    });

    it('refuses an address that cannot be decoded', async () => {
      const response = await call<Problem>('POST', `${app.url}/api/topics/%zz/messages`, '1');
      expect(response.status).to.equal(400);
      expect(response.body.code).to.equal('bad_request');
    });
  });

  describe('of many', () => {
    const results = async (body: string, headers: Record<string, string> = {}) => {
      const answer = await call<{ results: Result[] }>('POST', `${app.url}/api/messages`, body, headers);
      expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
      return answer.body.results;
    };
    const refusal = (body: string | Buffer) =>
      call<Problem & Record<string, unknown>>('POST', `${app.url}/api/messages`, body);

    it('has a result for each item of an array, in order', async () => {
      const topic = newTopic();
      const { status, body } = await publishAll(app.url, [
        { topic, data: 1 },
        { topic: 'market:x', data: { a: null } },
        { topic, data: 2 },
      ]);
      expect(status).to.equal(200);
      const [first, other, second] = body.results as unknown as Result[];
      expect([first, other, second].map((result) => [result?.ok, result?.topic])).to.deep.equal([
        [true, topic],
        [true, 'market:x'],
        [true, topic],
      ]);
      expect(second!.seq).to.equal(first!.seq! + 1);
    });

    it('takes a line of JSON for each message, with blank lines and line ends of either kind', async () => {
      const topic = newTopic();
      const lines = [1, 2, 3].map((data) => JSON.stringify({ topic, data }));
      const text = `\n${lines[0]}\r\n\r\n${lines[1]}\n\n${lines[2]}`;
      const made = await results(text, { 'Content-Type': 'application/x-ndjson' });
      expect(made.map(({ ok }) => ok)).to.deep.equal([true, true, true]);
      expect((await newest(topic))!.data).to.equal(3);
    });

    it('lets an item that is refused hold back no other', async () => {
      const topic = newTopic();
      const made = await results(
        JSON.stringify([
          { topic, data: 1, id: 'batch-1' },
          { topic, data: 1, id: 'batch-1' },
          { topic, data: 2, id: 'batch-1' },
          { topic },
          { topic, data: 1, ttl: 5 },
          'text',
          null,
          { topic: 'news', data: 1 },
          { topic: 'sport:a', data: 1 },
          { topic, data: 'x'.repeat(3_000) },
          { topic, data: 3 },
        ]),
      );
      expect(made.map(({ ok, error }) => (ok ? 'ok' : `${error!.code} ${error!.field}`))).to.deep.equal([
        'ok',
        'ok',
        'idempotency_conflict id',
        'bad_request data',
        'bad_request ttl',
        'bad_request undefined',
        'bad_request undefined',
        'bad_topic topic',
        'unknown_stream topic',
        'too_large data',
        'ok',
      ]);
      expect(made[1]).to.deep.equal({ ...made[0], duplicate: true });
      expect(made.at(-1)!.seq).to.equal(made[0]!.seq! + 1);
    });

    it('is content with none', async () => {
      expect(await results('[]')).to.deep.equal([]);
    });

    it('is refused as a whole where it cannot be read, with the line that is wrong', async () => {
      for (const [body, field] of [
        ['', 'body'],
        ['\n\n', 'body'],
        ['[{"topic":"news:a","data":1}', 'body'],
        ['{"topic":"news:a","data":1}\n{"topic":', 'line 2'],
        ['\n\r\n\n{"topic":"news:a","data":1}\n\n{"topic":', 'line 6'],
        ['\ufeff\r\nno json\r\n', 'line 2'],
        [Buffer.from([0x5b, 0xff, 0x5d]), 'body'],
      ] as const) {
        expectProblem(await refusal(body), { status: 400, code: 'bad_json', field });
      }
    });

    it('is refused as a whole if it is too large', async () => {
      const item = { topic: 'news:a', data: 1 };
      const many = await refusal(JSON.stringify(Array.from({ length: 21 }, () => item)));
      expectProblem(many, { status: 413, code: 'batch_too_large', field: 'body' });
      expect(many.body.detail).to.equal('body: more than 20 messages, the most that a batch has');
      expect(await results(JSON.stringify(Array.from({ length: 20 }, () => item)))).to.have.length(20);
      expectProblem(await refusal(`[${' '.repeat(10_000)}]`), {
        status: 413,
        code: 'too_large',
        field: 'body',
      });
    });
  });

  it('reaches those who read the topic', async () => {
    const { hub } = app;
    const topic = newTopic();
    const before = hub.counters.received.get('news')!;
    await publish(app.url, topic, 1);
    await until('the hub has it', () => hub.counters.received.get('news')! > before);
  });
});
