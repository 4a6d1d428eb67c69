import type { Ack } from '@axiom-streaming/protocol/answers';
import { expect } from 'chai';
import { HubError } from '../../../server/errors.js';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import { parseRequest } from '../../../server/hub/operations/fields.js';
import { OPERATION_NAMES, RequestHandler } from '../../../server/hub/operations/handler.js';
import { publishRequest } from '../../../server/hub/operations/publish.js';
import { subscribeRequest } from '../../../server/hub/operations/subscribe.js';
import { silentLogger } from '../../../server/logger.js';
import { type RecordingSink, settle, TestHub } from '../support.js';

describe('A request of a socket', () => {
  let test: TestHub;
  let sink: RecordingSink;
  let subscriber: Subscriber;
  let handler: RequestHandler;
  let errors: string[];
  let logged: object[];

  beforeEach(async () => {
    test = await TestHub.start();
    ({ sink, subscriber } = test.connect());
    errors = [];
    logged = [];
    handler = new RequestHandler({
      hub: test.hub,
      publisher: test.publisher,
      logger: { ...silentLogger, error: (fields) => void logged.push(Object(fields)) },
      onError: (code) => errors.push(code),
    });
  });

  afterEach(() => test.stop());

  /** Every acknowledgement of one request. */
  async function acknowledgements(
    operation: string,
    body: unknown,
    onChanged?: () => Promise<void>,
  ): Promise<Ack[]> {
    const all: Ack[] = [];
    await handler.handle(subscriber, operation, body, (ack) => void all.push(ack), onChanged);
    return all;
  }

  async function request(operation: string, body: unknown, onChanged?: () => Promise<void>) {
    const all = await acknowledgements(operation, body, onChanged);
    expect(all, 'acknowledgements').to.have.length(1);
    return all[0]!;
  }

  const refusal = (code: string, field: string | undefined, ack: Ack) => {
    if (ack.ok) throw new Error('it was not refused');
    const { error } = ack;
    expect({ code: error.code, field: error.field }).to.deep.equal({ code, field });
    return error.message;
  };

  describe('subscribe', () => {
    it('is acknowledged with verdicts and cursor before its first message', async () => {
      await test.publishMany(2, 'market:a');
      const before: number[] = [];
      await handler.handle(subscriber, 'subscribe', { topics: ['market:a', 'news:*'] }, (ack) => {
        before.push(sink.messages.length);
        expect(ack).to.deep.include({ ok: true, topics: [{ topic: 'market:a' }, { topic: 'news:*' }] });
        expect(ack).to.have.property('cursor').that.is.a('string');
      });
      expect(before).to.deep.equal([0]);
      expect(sink.seqs()).to.deep.equal([2]);
    });

    it('is acknowledged only when the transport has done its part', async () => {
      const order: string[] = [];
      await handler.handle(
        subscriber,
        'subscribe',
        { topics: ['news:a'] },
        () => order.push('acknowledged'),
        async (result) => {
          expect(result.topics).to.deep.equal([{ topic: 'news:a' }]);
          await settle();
          order.push('stored');
        },
      );
      expect(order).to.deep.equal(['stored', 'acknowledged']);
    });

    it('is acknowledged once, even where the log fails it afterwards', async () => {
      await test.stop();
      test = await TestHub.start({ limits: { windowBytes: 0 } });
      ({ sink, subscriber } = test.connect());
      handler = new RequestHandler({ hub: test.hub, publisher: test.publisher, logger: silentLogger });
      await test.publishMany(20, 'news:a');
      test.log.failures.set('range', new HubError('log_unavailable', 'Redis did not answer'));
      const ack = await request('subscribe', { topics: ['news:a'], since: test.cursor('news', 1) });
      expect(ack).to.include({ ok: true });
    });

    it('is refused and undone if the transport cannot do its part', async () => {
      const ack = await request('subscribe', { topics: ['news:a'] }, () =>
        Promise.reject(new HubError('log_unavailable', 'no session')),
      );
      expect(refusal('log_unavailable', undefined, ack)).to.equal('no session');
      expect(subscriber.topics()).to.deep.equal([]);
    });
  });

  it('unsubscribe is answered with the remaining topics', async () => {
    await request('subscribe', { topics: ['news:a', 'news:b'] });
    let told = 0;
    const ack = await request('unsubscribe', { topics: ['news:a'] }, async () => {
      told += 1;
    });
    expect(ack).to.deep.equal({ ok: true, topics: ['news:b'] });
    expect(told).to.equal(1);
  });

  it('publish is answered with the position of the message', async () => {
    const ack = await request('publish', { topic: 'news:a', data: { x: [1, null] }, id: 'one' });
    expect(ack).to.deep.include({ ok: true, topic: 'news:a', seq: 1 });
    expect(await request('publish', { topic: 'news:a', data: { x: [1, null] }, id: 'one' })).to.deep.equal({
      ...ack,
      duplicate: true,
    });
    refusal('idempotency_conflict', 'id', await request('publish', { topic: 'news:a', data: 2, id: 'one' }));
    for (const data of [null, false, 0, '', []]) {
      expect(await request('publish', { topic: 'news:a', data })).to.include({ ok: true });
    }
  });

  it('history is answered with messages as objects', async () => {
    await test.publishMany(3, 'news:a');
    const ack = await request('history', { topic: 'news:a', limit: 2 });
    expect(ack).to.deep.include({ ok: true, topic: 'news:a', cursor: test.cursor('news', 3), more: false });
    const messages = 'messages' in ack ? ack.messages : [];
    expect(messages.map(({ seq, data }) => [seq, data])).to.deep.equal([
      [2, 2],
      [3, 3],
    ]);
  });

  it('auth is refused: this version has none', async () => {
    refusal('unsupported', undefined, await request('auth', { token: 'x' }));
    refusal('bad_request', 'token', await request('auth', {}));
  });

  it('is refused, once and with the name of the field, if it is malformed', async () => {
    const cases: [operation: string, body: unknown, code: string, field: string | undefined][] = [
      ['subscribe', undefined, 'bad_request', undefined],
      ['subscribe', 'news:a', 'bad_request', undefined],
      ['subscribe', {}, 'bad_request', 'topics'],
      ['subscribe', { topics: [] }, 'bad_request', 'topics'],
      ['subscribe', { topics: ['news:a', 7] }, 'bad_request', 'topics[1]'],
      ['subscribe', { topics: ['news:a'], since: '' }, 'bad_request', 'since'],
      ['subscribe', { topics: ['news:a'], since: 'x'.repeat(5_000) }, 'bad_request', 'since'],
      ['subscribe', { topics: ['news:a'], since: 'x.y' }, 'bad_cursor', 'since'],
      ['subscribe', { topics: ['news:a'], rewind: 0 }, 'bad_request', 'rewind'],
      ['subscribe', { topics: ['news:a'], rewind: 1.5 }, 'bad_request', 'rewind'],
      ['subscribe', { topics: ['news:a'], rewind: 1, since: '-' }, 'bad_request', 'rewind'],
      ['subscribe', { topics: ['news:a'], conflate: 'oldest' }, 'bad_request', 'conflate'],
      ['subscribe', { topics: ['news:a'], conflate: 'latest' }, 'bad_request', 'maxRate'],
      ['subscribe', { topics: ['news:a'], maxRate: 2 }, 'bad_request', 'conflate'],
      ['subscribe', { topics: ['news:a'], conflate: 'latest', maxRate: 0 }, 'bad_request', 'maxRate'],
      ['subscribe', { topics: ['news:a'], conflate: 'latest', maxRate: 1000.1 }, 'bad_request', 'maxRate'],
      ['subscribe', { topics: ['news:a'], conflate: 'merge', maxRate: '2' }, 'bad_request', 'maxRate'],
      ['subscribe', { topics: ['signals:a'], conflate: 'latest', maxRate: 2 }, 'unsupported', 'conflate'],
      ['subscribe', { topics: ['sport:a'] }, 'unknown_stream', 'topics[0]'],
      ['unsubscribe', { topics: 'news:a' }, 'bad_request', 'topics'],
      ['publish', { topic: 'news:a' }, 'bad_request', 'data'],
      ['publish', { data: 1 }, 'bad_request', 'topic'],
      ['publish', { topic: 'news:a', data: 1, id: '' }, 'bad_request', 'id'],
      ['publish', { topic: 'news:a', data: 1, id: 'x'.repeat(257) }, 'bad_request', 'id'],
      ['publish', { topic: 'news:a', data: 'x'.repeat(2_000) }, 'too_large', 'data'],
      ['history', { topic: 'news:a', limit: 1_001 }, 'bad_request', 'limit'],
      ['history', { topic: 'news:a', since: 'x' }, 'bad_cursor', 'since'],
      ['history', { topic: 'news' }, 'bad_topic', 'topic'],
    ];
    for (const [operation, body, code, field] of cases) {
      const message = refusal(code, field, await request(operation, body));
      if (code === 'bad_request' && field !== undefined) expect(message).to.match(/^\w+(\[\d+\])?: /);
    }
    expect(errors).to.deep.equal(cases.map(([, , code]) => code));
    expect(logged).to.deep.equal([]);
  });

  it('is refused where it says more than there is to say', async () => {
    const ack = await request('publish', { topic: 'news:a', data: 1, ttl: 5 });
    expect(refusal('bad_request', 'ttl', ack)).to.include('ttl');
  });

  it('is refused, with the names of the existing operations, if there is no such operation', async () => {
    const message = refusal('unknown_op', undefined, await request('x'.repeat(100), {}));
    for (const operation of OPERATION_NAMES) expect(message).to.include(operation);
    expect(message).not.to.include('x'.repeat(41));
    refusal('unknown_op', undefined, await request('constructor', {}));
  });

  it('is refused where its answer cannot be sent', async () => {
    await test.publish('news:a');
    const refusals: Ack[] = [];
    await handler.handle(subscriber, 'history', { topic: 'news:a' }, (ack) => {
      // As JSON.stringify does with arrays in arrays without end.
      if (ack.ok) throw new RangeError('Maximum call stack size exceeded');
      refusals.push(ack);
    });
    expect(refusals).to.have.length(1);
    refusal('internal', undefined, refusals[0]!);
  });

  it('tells nothing of an unexpected error, and logs it', async () => {
    test.publisher.publish = () => Promise.reject(new Error('secret detail'));
    const ack = await request('publish', { topic: 'news:a', data: 1 });
    refusal('internal', undefined, ack);
    expect(JSON.stringify(ack)).not.to.include('secret');
    expect(logged).to.have.length(1);
    expect(logged[0]).to.include({ operation: 'publish', connection: subscriber.id });
  });

  describe('its form', () => {
    it('names a nested field', () => {
      expect(() => parseRequest(subscribeRequest, { topics: [1] })).to.throw(HubError, /^topics\[0\]: /);
    });

    it('returns valid values unchanged', () => {
      const data = { deep: [1, { a: null }] };
      expect(parseRequest(publishRequest, { topic: 't', data }).data).to.deep.equal(data);
    });
  });
});
