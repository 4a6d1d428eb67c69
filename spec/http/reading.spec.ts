import type { Problem } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { OwnRedis } from '../log/own-redis.js';
import { get, publish, publishAll } from '../support/http.js';
import { until } from '../support/wait.js';
import { startTestApp } from './test-app.js';

interface HistoryBody {
  readonly topic: string;
  readonly messages: {
    readonly topic: string;
    readonly seq: number;
    readonly time: number;
    readonly data: unknown;
  }[];
  readonly cursor: string;
  readonly more: boolean;
  readonly recovered?: boolean;
  readonly reason?: string;
}

describe('Reading over HTTP', () => {
  let app: RunningNode;

  before(async () => {
    app = await startTestApp();
    await publishAll(
      app.url,
      Array.from({ length: 12 }, (_, i) => ({ topic: `news:${i % 2 === 0 ? 'a' : 'b'}`, data: i + 1 })),
    );
    await publish(app.url, 'market:desk/one', { price: 1.5 });
    await until('the hub has it', () => app.hub.stream('market').tail.last === 1);
  });

  after(() => app?.stop());

  const epoch = () => app.hub.stream('news').tail.epoch;
  const problem = async (path: string) => {
    const { status, body, headers } = await get<Problem>(`${app.url}${path}`);
    expect(headers.get('content-type')).to.match(/^application\/problem\+json/);
    expect(body.status).to.equal(status);
    return `${status} ${body.code} ${body.field}`;
  };

  describe('the history of a topic', () => {
    const history = (topic: string, query = '') =>
      get<HistoryBody>(`${app.url}/api/topics/${encodeURIComponent(topic)}/messages${query}`);

    it('has its newest messages as they were delivered', async () => {
      const { status, body, headers } = await history('news:a', '?limit=2');
      expect(status).to.equal(200);
      expect(headers.get('content-type')).to.match(/^application\/json/);
      expect(headers.get('cache-control')).to.equal('no-store');
      const { time } = body.messages[0]!;
      expect(body).to.deep.equal({
        topic: 'news:a',
        cursor: `news.${epoch()}.12`,
        more: false,
        messages: [
          { topic: 'news:a', seq: 9, time, data: 9 },
          { topic: 'news:a', seq: 11, time, data: 11 },
        ],
      });
    });

    it('continues from a cursor', async () => {
      const first = await history('news:*', `?since=news.${epoch()}.4&limit=5`);
      expect(first.body.messages.map(({ seq }) => seq)).to.deep.equal([5, 6, 7, 8, 9]);
      expect(first.body).to.include({ recovered: true, more: true });
      const second = await history('news:*', `?since=${first.body.cursor}`);
      expect(second.body.messages.map(({ seq }) => seq)).to.deep.equal([10, 11, 12]);
      expect(second.body).to.include({ recovered: true, more: false });
    });

    it('says why where it cannot', async () => {
      const { status, body } = await history('news:a', '?since=news.older.4&limit=1');
      expect(status).to.equal(200);
      expect(body).to.include({ recovered: false, reason: 'epoch_changed' });
      expect(body.messages).to.have.length(1);
    });

    it('is refused for an invalid topic, cursor or limit', async () => {
      const path = (topic: string, query = '') => `/api/topics/${encodeURIComponent(topic)}/messages${query}`;
      expect(await problem(path('news'))).to.equal('400 bad_topic topic');
      expect(await problem(path('sport:a'))).to.equal('404 unknown_stream topic');
      expect(await problem(path('news:a', '?since=x'))).to.equal('400 bad_cursor since');
      expect(await problem(path('news:a', '?since=-&since=-'))).to.equal('400 bad_request since');
      for (const limit of ['0', '1001', '1.5', 'many', '-1']) {
        expect(await problem(path('news:a', `?limit=${limit}`)), limit).to.equal('400 bad_request limit');
      }
    });
  });

  describe('a topic', () => {
    const topic = (name: string) => get(`${app.url}/api/topics/${encodeURIComponent(name)}`);

    it('is shown with its newest message', async () => {
      const { status, body } = await topic('news:a');
      expect(status).to.equal(200);
      expect(body).to.deep.include({ topic: 'news:a', class: 'log', epoch: epoch() });
      expect(body.last).to.deep.include({ topic: 'news:a', seq: 11, data: 11 });
      expect((await topic('market:desk/one')).body.last).to.deep.include({ data: { price: 1.5 } });
    });

    it('may be a whole stream', async () => {
      expect((await topic('news:*')).body.last).to.deep.include({ topic: 'news:b', seq: 12 });
    });

    it('is not found before its first message', async () => {
      expect(await problem('/api/topics/news%3Aunheard')).to.equal('404 not_found topic');
      expect(await problem('/api/topics/signals%3A*')).to.equal('404 not_found topic');
      expect(await problem('/api/topics/news')).to.equal('400 bad_topic topic');
    });
  });

  describe('streams', () => {
    it('are listed with their class, their state and how they are kept', async () => {
      const { status, body } = await get<{ streams: Record<string, unknown>[] }>(`${app.url}/api/streams`);
      expect(status).to.equal(200);
      expect(body.streams.map(({ name }) => name)).to.deep.equal([
        'market',
        'news',
        'portfolio',
        'signals',
        'system',
      ]);
      expect(body.streams[1]).to.deep.equal({
        name: 'news',
        class: 'log',
        live: true,
        epoch: epoch(),
        lastSeq: 12,
        cursor: `news.${epoch()}.12`,
        keys: 2,
        retention: { maxMessages: 100_000, maxAgeMs: 604_800_000, maxBytes: 134_217_728, maxKeys: 100_000 },
      });
    });

    it('are shown one by one with their topics', async () => {
      const { status, body } = await get(`${app.url}/api/streams/news`);
      expect(status).to.equal(200);
      expect(body).to.deep.include({ name: 'news', topics: ['news:a', 'news:b'], moreTopics: false });
      expect(await problem('/api/streams/sport')).to.equal('404 unknown_stream stream');
    });

    it('say so where they have more topics than an answer lists', async () => {
      const items = Array.from({ length: 1_001 }, (_, i) => ({ topic: `portfolio:k${i}`, data: i }));
      await publishAll(app.url, items.slice(0, 1_000));
      await publishAll(app.url, items.slice(1_000));
      await until('the hub has them', () => app.hub.stream('portfolio').tail.last === 1_001);
      const { body } = await get<{ topics: string[] }>(`${app.url}/api/streams/portfolio`);
      expect(body).to.include({ keys: 1_001, moreTopics: true });
      expect(body.topics).to.have.length(1_000);
    });
  });

  it('answers HEAD as GET, without a body', async () => {
    const response = await fetch(`${app.url}/health/live`, { method: 'HEAD' });
    expect(response.status).to.equal(200);
    expect(await response.text()).to.equal('');
  });

  describe('of a node that has just started over a log with messages', () => {
    let redis: OwnRedis;
    let other: RunningNode | undefined;

    before(async () => {
      redis = await OwnRedis.start();
    });

    after(async () => {
      await other?.stop();
      await redis?.stop();
    });

    it('shows the newest message of a topic and of a whole stream', async () => {
      const first = await startTestApp({ REDIS_URL: redis.url });
      await publish(first.url, 'news:a', 'one');
      await publish(first.url, 'news:b', 'two');
      await first.stop();
      other = await startTestApp({ REDIS_URL: redis.url });

      const one = await get(`${other.url}/api/topics/news%3Aa`);
      expect(one.body.last).to.deep.include({ seq: 1, data: 'one' });
      const history = await get<HistoryBody>(`${other.url}/api/topics/news%3A*/messages`);
      expect(history.body.messages.map(({ data }) => data)).to.deep.equal(['one', 'two']);
      const whole = await get(`${other.url}/api/topics/news%3A*`);
      expect(whole.status).to.equal(200);
      expect(whole.body.last).to.deep.include({ seq: 2, data: 'two' });
    });
  });
});
