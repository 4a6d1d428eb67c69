import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import { parseTopic } from '@axiom-streaming/protocol/topic';
import { expect } from 'chai';
import { demoFeeds } from '../../server/feeds/demo-feeds.js';
import { HEADLINES } from '../../server/feeds/headlines.js';
import { DEFAULT_STREAMS } from '../../server/hub/streams.js';

const STREAMS = new Set(DEFAULT_STREAMS.map(({ name }) => name));
const SOURCES: Readonly<Record<string, string>> = {
  market: 'replay',
  portfolio: 'derived',
  signals: 'derived',
  news: 'sample',
  system: 'measured',
};

function report(node: string): NodeReport {
  return {
    node,
    at: 1_763_900_000_000,
    startedAt: 1_763_800_000_000,
    version: '0.1.0',
    connections: { socketio: 3, websocket: 2, sse: 1 },
    subscriptions: 12,
    published: 10,
    received: 20,
    delivered: 30,
    publishedPerSecond: 1,
    receivedPerSecond: 2,
    deliveredPerSecond: 3,
    cpuPercent: 4.5,
    rssBytes: 60_000_000,
    eventLoopLagMs: 1.2,
    redisConnected: true,
    redisPingMs: 0.4,
    draining: false,
  };
}

describe('the demo feeds', () => {
  const reports = () => [report('node-1'), report('node-2')];
  const feeds = demoFeeds({ streams: STREAMS, reports });
  const ticks = Array.from({ length: 300 }, (_, i) => 1_763_900_000 + i);

  it('are those whose stream is configured', () => {
    expect(feeds.map(({ name }) => name)).to.have.members([...STREAMS]);
    const two = demoFeeds({ streams: new Set(['news', 'system', 'orders']), reports });
    expect(two.map(({ name }) => name)).to.deep.equal(['news', 'system']);
  });

  it('step at the interval that is asked for, the replayed prices and what is derived from them alike', () => {
    const quick = demoFeeds({ streams: STREAMS, reports, intervalMs: 50 });
    const intervals = Object.fromEntries(quick.map(({ name, intervalMs }) => [name, intervalMs]));
    expect(intervals).to.deep.equal({ market: 50, portfolio: 50, signals: 50, news: 5_000, system: 2_000 });
  });

  it('publish the same messages for the same tick on every node', () => {
    const others = demoFeeds({ streams: STREAMS, reports });
    feeds.forEach((feed, i) => {
      for (const tick of ticks) expect(others[i]!.at(tick)).to.deep.equal(feed.at(tick));
    });
  });

  it('say in every message where it comes from, on a topic of their own stream', () => {
    for (const feed of feeds) {
      for (const { topic, data } of ticks.flatMap((tick) => feed.at(tick))) {
        expect(JSON.parse(data).source, topic).to.equal(SOURCES[feed.name]);
        expect(parseTopic(topic)?.stream).to.equal(feed.name);
        expect(data).to.not.match(/[\r\n]/);
      }
    }
  });

  it('give every message an id that no other has', () => {
    const ids = feeds.flatMap((feed) => ticks.flatMap((tick) => feed.at(tick).map(({ id }) => id)));
    expect(ids).to.not.include(undefined);
    expect(new Set(ids).size).to.equal(ids.length);
    expect(ids).to.include(`feed-market-SP500-${ticks[0]}`);
  });

  it('publish the nodes’ own figures as they were reported', () => {
    const system = feeds.find(({ name }) => name === 'system')!;
    const [first, second] = system.at(5);
    expect(first!.topic).to.equal('system:node-1');
    expect(second!.id).to.equal('feed-system-node-2-5');
    expect(JSON.parse(second!.data)).to.deep.equal({ source: 'measured', ...report('node-2') });
  });

  it('show every headline once per round, with a sentiment between −1 and 1', () => {
    const news = feeds.find(({ name }) => name === 'news')!;
    const round = HEADLINES.flatMap((_, tick) => news.at(tick));
    expect(new Set(round.map(({ data }) => JSON.parse(data).headline)).size).to.equal(HEADLINES.length);
    expect(HEADLINES.length).to.be.at.least(30);
    expect(new Set(round.map(({ topic }) => topic))).to.deep.equal(
      new Set(['news:markets', 'news:macro', 'news:companies']),
    );
    for (const { sentiment } of HEADLINES) expect(sentiment).to.be.within(-1, 1);
  });
});
