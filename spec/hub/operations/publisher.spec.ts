import { expect } from 'chai';
import { HubError } from '../../../server/errors.js';
import { HUB_ITSELF } from '../../../server/hub/access.js';
import { jsonText } from '../../../server/hub/operations/publisher.js';
import { failureOf, STREAMS, TestHub } from '../support.js';

const NOTHING_REFUSED = {
  too_large: 0,
  too_deep: 0,
  idempotency_conflict: 0,
  too_many_keys: 0,
  quota_exceeded: 0,
};

describe('The publisher', () => {
  let test: TestHub;

  beforeEach(async () => {
    test = await TestHub.start({ streams: STREAMS.map((stream) => ({ ...stream, maxKeys: 3 })) });
  });

  afterEach(() => test.stop());

  const publish = (topic: string, data = '1', id?: string) =>
    test.publisher.publish({ topic, data, ...(id === undefined ? {} : { id }) });
  const refusal = async (topic: string, data?: string, id?: string) => {
    const error = await failureOf(() => publish(topic, data, id));
    expect(error).to.be.instanceOf(HubError);
    return error as HubError;
  };
  const counts = (counter: ReadonlyMap<string, number>) => Object.fromEntries(counter);

  it('commits a message and returns its position', async () => {
    const published = await publish('news:a', '{"x":1}');
    expect(published).to.deep.equal({
      topic: 'news:a',
      seq: 1,
      epoch: test.hub.stream('news').tail.epoch,
      time: published.time,
    });
    expect(published.time).to.be.closeTo(Date.now(), 60_000);
    await test.reached('news', 1);
    expect(test.hub.stream('news').tail.lastValues.get('a')?.data).to.equal('{"x":1}');
  });

  it('answers a repeat with the first result', async () => {
    const first = await publish('news:a', '1', 'one');
    expect(await publish('news:a', '1', 'one')).to.deep.equal({ ...first, duplicate: true });
    expect(counts(test.publisher.counters.published)).to.deep.equal({ news: 1 });
  });

  it('keeps the ids of subjects apart, and those of the hub itself from a subject of its name', async () => {
    const outcomes = [];
    for (const principal of [HUB_ITSELF, { ...HUB_ITSELF }, { ...HUB_ITSELF, subject: 'alice' }]) {
      const { seq } = await test.publisher.publish(
        { topic: 'news:a', data: `${outcomes.length}`, id: 'one' },
        principal,
      );
      outcomes.push(seq);
    }
    expect(outcomes).to.deep.equal([1, 2, 3]);
  });

  it('refuses what the log refuses, and counts that', async () => {
    await publish('news:a', '1', 'one');
    expect(await refusal('news:a', '2', 'one')).to.include({ code: 'idempotency_conflict', field: 'id' });
    for (const key of ['b', 'c']) await publish(`news:${key}`);
    expect(await refusal('news:d')).to.include({ code: 'too_many_keys', field: 'topic' });
    expect(counts(test.publisher.counters.refused)).to.deep.equal({
      ...NOTHING_REFUSED,
      idempotency_conflict: 1,
      too_many_keys: 1,
    });
    expect(counts(test.publisher.counters.published)).to.deep.equal({ news: 3 });
  });

  it('refuses what is beyond a share of the subject, says which field and when to retry, and counts that', async () => {
    const principal = { ...HUB_ITSELF, subject: 'mallory' };
    await test.stop();
    test = await TestHub.start({ streams: STREAMS.map((stream) => ({ ...stream, maxKeysPerSubject: 1 })) });
    await test.publisher.publish({ topic: 'news:a', data: '1' }, principal);
    const error = await failureOf(() => test.publisher.publish({ topic: 'news:b', data: '1' }, principal));
    expect(error).to.include({ code: 'quota_exceeded', field: 'topic', retryAfterMs: 30_000 });
    expect(await test.publisher.publish({ topic: 'news:b', data: '1' })).to.include({ seq: 2 });
    expect(counts(test.publisher.counters.refused)).to.deep.equal({ ...NOTHING_REFUSED, quota_exceeded: 1 });
  });

  it('refuses an invalid topic, a whole stream, and an unknown stream', async () => {
    expect(await refusal('news')).to.include({ code: 'bad_topic', field: 'topic' });
    expect(await refusal('news:')).to.include({ code: 'bad_topic', field: 'topic' });
    expect(await refusal('news:*')).to.include({ code: 'bad_topic', field: 'topic' });
    expect(await refusal('sport:a')).to.include({ code: 'unknown_stream', field: 'topic' });
    expect(test.log.calls.filter((call) => call.startsWith('append'))).to.deep.equal([]);
  });

  it('counts the bytes of a message, not its characters', async () => {
    await publish('news:a', JSON.stringify('x'.repeat(998)));
    expect(await refusal('news:a', JSON.stringify('x'.repeat(999)))).to.include({
      code: 'too_large',
      field: 'data',
    });
    expect(await refusal('news:a', JSON.stringify('€'.repeat(400)))).to.include({ code: 'too_large' });
    expect(counts(test.publisher.counters.refused)).to.deep.equal({ ...NOTHING_REFUSED, too_large: 2 });
  });

  it('reports that the log is unreachable', async () => {
    test.log.append = () => Promise.reject(new HubError('log_unavailable', 'Redis is out of reach'));
    expect(await refusal('news:a')).to.include({ code: 'log_unavailable' });
  });

  describe('of many messages', () => {
    it('has a result for each, in their order, and keeps the order of each stream', async () => {
      const results = await test.publisher.publishAll([
        { topic: 'news:a', data: '1' },
        { topic: 'market:a', data: '2' },
        { topic: 'news', data: '3' },
        { topic: 'news:b', data: JSON.stringify('x'.repeat(2_000)) },
        { topic: 'news:b', data: '5', id: 'one' },
        { topic: 'news:b', data: '6', id: 'one' },
        { topic: 'news:c', data: '7' },
        { topic: 'news:d', data: '8' },
        { topic: 'market:b', data: '9' },
      ]);
      expect(
        results.map((result) => (result.ok ? `${result.topic} ${result.seq}` : result.error.code)),
      ).to.deep.equal([
        'news:a 1',
        'market:a 1',
        'bad_topic',
        'too_large',
        'news:b 2',
        'idempotency_conflict',
        'news:c 3',
        'too_many_keys',
        'market:b 2',
      ]);
    });

    it('limits the failure of one stream to its messages', async () => {
      const append = test.log.append.bind(test.log);
      test.log.append = (stream, entries) =>
        stream === 'news'
          ? Promise.reject(new HubError('log_unavailable', 'Redis is out of reach'))
          : append(stream, entries);
      const results = await test.publisher.publishAll([
        { topic: 'news:a', data: '1' },
        { topic: 'market:a', data: '2' },
      ]);
      expect(results[0]).to.deep.equal({
        ok: false,
        error: { code: 'log_unavailable', message: 'Redis is out of reach' },
      });
      expect(results[1]).to.include({ ok: true, seq: 1 });
    });

    it('tells nothing of an unexpected error', async () => {
      test.log.append = () => Promise.reject(new Error('secret detail'));
      const [result] = await test.publisher.publishAll([{ topic: 'news:a', data: '1' }]);
      expect(result).to.include({ ok: false });
      expect(result).to.have.nested.property('error.code', 'internal');
      expect(JSON.stringify(result)).not.to.include('secret');
    });

    it('is content with none', async () => {
      expect(await test.publisher.publishAll([])).to.deep.equal([]);
    });
  });

  describe('the JSON text of data', () => {
    it('has no line breaks, and the same value', () => {
      const text = '\n{\r\n  "a": [1,\n 2],\r"b": "x\\ny"\n}\n';
      const line = jsonText(text);
      expect(line).not.to.match(/[\r\n]/);
      expect(JSON.parse(line)).to.deep.equal(JSON.parse(text));
    });

    it('keeps the digits of numbers and the spelling of strings', () => {
      const text = ' {"n":12345678901234567890.10,"s":"\\u00e9\u2028"} ';
      expect(jsonText(text)).to.equal(text.trim());
    });
  });
});
