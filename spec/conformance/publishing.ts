import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor, SOCKETS, type Visitor } from './visitor.js';

/** `data` of the default limit, and one byte more. */
const LIMIT_BYTES = 65_536;

/** The same publish over a transport: the answer's fields, or the error. */
interface Outcome {
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly field?: string };
  readonly [name: string]: unknown;
}
type Publish = (visitor: Visitor, topic: string, data: unknown, id?: string) => Promise<Outcome>;

const WAYS: Record<string, Publish> = {
  HTTP: async (visitor, topic, data, id) => {
    const { status, body } = await visitor.call(
      'POST',
      `/api/topics/${encodeURIComponent(topic)}/messages`,
      JSON.stringify(data),
      id === undefined ? {} : { 'Idempotency-Key': id },
    );
    if (status === 201) return { ok: true, ...body };
    return { ok: false, status, error: body as unknown as { code: string } };
  },
  'a batch': async (visitor, topic, data, id) => {
    const items = JSON.stringify([{ topic, data, ...(id === undefined ? {} : { id }) }]);
    const { body } = await visitor.call<{ results: Outcome[] }>('POST', '/api/messages', items);
    return body.results[0]!;
  },
  socketio: async (visitor, topic, data, id) => {
    const client = await visitor.connect('socketio');
    return client.request('publish', { topic, data, ...(id === undefined ? {} : { id }) });
  },
  websocket: async (visitor, topic, data, id) => {
    const client = await visitor.connectWebSocket();
    // The frame's own id is the client's; the publication's is messageId.
    return client.request('publish', { topic, data, ...(id === undefined ? {} : { messageId: id }) });
  },
};

/** One message at a time, over each way in. */
export function publishing(target: Target): void {
  for (const [way, publish] of Object.entries(WAYS)) {
    describe(`Publishing over ${way}`, () => {
      needsStream(target, 'news', 'log');
      const visitor = eachTestHasVisitor(target);

      it('answers with topic, seq, epoch and time, and reaches every transport', async () => {
        const topic = target.topic('news');
        const clients = await Promise.all(
          TRANSPORTS.map((transport) => visitor().subscribe(transport, { topics: [topic] })),
        );
        const outcome = await publish(visitor(), topic, { n: 1 });
        expect(outcome).to.include({ ok: true, topic }).and.not.have.property('duplicate');
        expect(outcome.seq).to.be.a('number').greaterThan(0);
        expect(outcome.epoch).to.be.a('string').and.not.equal('');
        const { seq, time } = outcome;
        for (const client of clients) {
          await client.received(1, topic);
          expect(client.seen.messages).to.deep.equal([{ topic, seq, time, data: { n: 1 } }]);
        }
      });

      it('numbers the messages of a stream one after the other', async () => {
        const topic = target.topic('news');
        const one = await publish(visitor(), topic, 1);
        const other = await publish(visitor(), topic, 2);
        expect(other.epoch).to.equal(one.epoch);
        expect(other.seq).to.be.a('number').greaterThan(Number(one.seq));
      });

      it('takes a repeat with the same id for the same message', async () => {
        const [topic, fence] = [target.topic('news'), target.topic('news')];
        const client = await visitor().subscribe('websocket', { topics: [topic, fence] });
        const first = await publish(visitor(), topic, { n: 1 }, `id of ${topic}`);
        const repeat = await publish(visitor(), topic, { n: 1 }, `id of ${topic}`);
        const { seq, epoch, time } = first;
        expect(repeat).to.include({ ok: true, topic, seq, epoch, time, duplicate: true });
        await visitor().publish(fence, 'fence');
        await client.received(1, fence);
        expect(client.seen.data(topic)).to.deep.equal([{ n: 1 }]);
      });

      it('refuses the same id for another message of the topic, and takes it for another topic', async () => {
        const [topic, other] = [target.topic('news'), target.topic('news')];
        const id = `id of ${topic}`;
        await publish(visitor(), topic, 1, id);
        const { ok, error, status } = await publish(visitor(), topic, 2, id);
        expect(ok).to.equal(false);
        expect(error?.code).to.equal('idempotency_conflict');
        if (way === 'HTTP') expect(status).to.equal(409);
        const elsewhere = await publish(visitor(), other, 2, id);
        expect(elsewhere).to.include({ ok: true });
        expect(elsewhere).to.not.have.property('duplicate');
      });

      it('remembers an id regardless of how it was published', async () => {
        const topic = target.topic('news');
        const first = await WAYS.HTTP!(visitor(), topic, { n: 1 }, `id of ${topic}`);
        const repeat = await publish(visitor(), topic, { n: 1 }, `id of ${topic}`);
        expect(repeat).to.include({ ok: true, seq: first.seq, duplicate: true });
      });

      it('refuses a whole stream and an invalid topic', async () => {
        for (const topic of [
          'news:*',
          'news',
          'news:',
          ':a',
          'news:a b',
          'NEWS:a',
          `news:${'a'.repeat(129)}`,
        ]) {
          const { ok, error } = await publish(visitor(), topic, 1);
          expect(ok, topic).to.equal(false);
          expect(error, topic).to.include({ code: 'bad_topic', field: 'topic' });
        }
      });

      it('refuses a stream that does not exist', async () => {
        const { ok, error } = await publish(visitor(), 'no-such-stream:a', 1);
        expect(ok).to.equal(false);
        expect(error).to.include({ code: 'unknown_stream', field: 'topic' });
      });

      it('refuses data that is too large, and accepts the largest allowed', async function () {
        const topic = target.topic('news');
        const text = (bytes: number) => 'x'.repeat(bytes - 2);
        const { ok, error, status } = await publish(visitor(), topic, text(LIMIT_BYTES + 1));
        if (ok) target.skip(this, `the target takes messages of more than ${LIMIT_BYTES} bytes`);
        expect(error).to.include({ code: 'too_large', field: 'data' });
        if (way === 'HTTP') expect(status).to.equal(413);
        expect((await publish(visitor(), topic, text(LIMIT_BYTES))).ok).to.equal(true);
      });
    });
  }

  describe('Publishing over HTTP', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);
    const post = (body: string | Buffer, headers: Record<string, string> = {}) =>
      visitor().call('POST', `/api/topics/${target.topic('news')}/messages`, body, headers);

    it('answers 201 with JSON that is not to be kept', async () => {
      const { status, headers } = await post('1');
      expect(status).to.equal(201);
      expect(headers.get('content-type')).to.match(/^application\/json\b/);
      expect(headers.get('cache-control')).to.equal('no-store');
    });

    it('reads the body as JSON whatever type it says it is', async () => {
      for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/json']) {
        expect((await post('{"a":1}', { 'Content-Type': type })).status, type).to.equal(201);
      }
    });

    it('refuses a body that is not JSON', async () => {
      for (const body of ['', ' ', '{', 'NaN', "{'a':1}", Buffer.from([0x22, 0xff, 0x22])]) {
        const answer = await post(body);
        expect(answer.status, String(body)).to.equal(400);
        expect(answer.body, String(body)).to.include({ code: 'bad_json', field: 'body' });
      }
    });

    it('refuses a body far above the limit', async function () {
      const { status, body } = await post(JSON.stringify('x'.repeat(2 * LIMIT_BYTES)));
      if (status === 201) target.skip(this, `the target takes messages of ${2 * LIMIT_BYTES} bytes`);
      expect(status).to.equal(413);
      expect(body).to.include({ code: 'too_large', field: 'body' });
    });

    it('refuses an Idempotency-Key of more than 256 characters', async () => {
      const { status, body } = await post('1', { 'Idempotency-Key': 'k'.repeat(257) });
      expect(status).to.equal(400);
      expect(body).to.include({ code: 'bad_request', field: 'Idempotency-Key' });
    });
  });

  describe('Publishing over sockets', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    for (const transport of SOCKETS) {
      it(`acknowledges requests that were sent at once over ${transport}, each with its own result`, async () => {
        const topic = target.topic('news');
        const client = await visitor().connect(transport);
        const acks = await Promise.all(
          Array.from({ length: 50 }, (_, n) => client.request('publish', { topic, data: n })),
        );
        const seqs = acks.map(({ seq }) => Number(seq));
        expect(acks.every(({ ok }) => ok)).to.equal(true);
        expect(seqs, 'in the order of their sending').to.deep.equal([...seqs].sort((a, b) => a - b));
        expect(new Set(seqs).size).to.equal(50);
      });
    }
  });
}
