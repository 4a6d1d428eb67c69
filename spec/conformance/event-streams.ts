import { expect } from 'chai';
import { until } from '../support/wait.js';
import type { EventStream } from './event-stream.js';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor } from './visitor.js';

/** What is particular to SSE: status, headers, framing, and the ways to say where to go on. */
export function eventStreams(target: Target): void {
  describe('An event stream', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);
    const messages = (stream: EventStream) =>
      stream.data<{ data: unknown }>('message').map(({ data }) => data);
    const opened = (stream: EventStream) =>
      until('the position comes', () => stream.data('position').length > 0, { instead: () => stream.raw });

    it('answers 200 with the headers that keep it one', async () => {
      const { status, headers } = await visitor().openStream({ topics: target.topic('news') });
      expect(status).to.equal(200);
      expect(headers.get('content-type')).to.match(/^text\/event-stream\b/);
      expect(headers.get('cache-control')).to.equal('no-store, no-transform');
      expect(headers.get('content-encoding')).to.equal(null);
    });

    it('says how long to wait before coming back, before anything else', async () => {
      const stream = await visitor().openStream({ topics: target.topic('news') });
      await opened(stream);
      expect(stream.raw).to.match(/^retry: \d+\n/);
    });

    it('has no block without data, which some clients take for an empty message', async () => {
      const topic = target.topic('news');
      const stream = await visitor().openStream({ topics: topic, rewind: '1' });
      await opened(stream);
      await visitor().publish(topic, 1);
      await until('the message comes', () => messages(stream).length > 0);
      const blocks = stream.raw.split('\n\n').slice(0, -1);
      for (const block of blocks) expect(block).to.match(/^data: ./m);
    });

    it('carries a message as an unnamed event: id is the cursor, data is one line', async () => {
      const topic = target.topic('news');
      const stream = await visitor().openStream({ topics: topic });
      await opened(stream);
      const before = stream.raw.length;
      const { seq, time } = await visitor().publish(topic, { text: 'two\nlines' });
      await until('the message comes', () => messages(stream).length > 0);
      const blocks = stream.raw.slice(before).split('\n\n');
      const block = blocks.find((candidate) => candidate.includes('data: {"topic"'))!;
      expect(block).to.match(/^id: [A-Za-z0-9._~-]+\ndata: [^\n]+$/);
      expect(JSON.parse(block.split('\ndata: ')[1]!)).to.deep.equal({
        topic,
        seq,
        time,
        data: { text: 'two\nlines' },
      });
    });

    it('names events other than messages, so that onmessage does not see them', async () => {
      const stream = await visitor().openStream({ topics: target.topic('news') });
      await opened(stream);
      expect(stream.events[0]).to.include({ event: 'position' });
      expect(stream.events.filter(({ event }) => event === 'message')).to.deep.equal([]);
    });

    it('takes topics comma-separated and repeated', async () => {
      const topics = Array.from({ length: 4 }, () => target.topic('news')) as [
        string,
        string,
        string,
        string,
      ];
      const [a, b, c, d] = topics;
      const stream = await visitor().openStream(
        `topics=${a},${b}&topics=${encodeURIComponent(c)}&topics=,${d},`,
      );
      await opened(stream);
      expect(stream.data('position')[0]?.topics).to.deep.equal(topics.map((topic) => ({ topic })));
    });

    for (const [way, where] of [
      ['the header Last-Event-ID', (cursor: string) => ({ headers: { 'Last-Event-ID': cursor }, query: {} })],
      ['lastEventId in the address', (cursor: string) => ({ headers: {}, query: { lastEventId: cursor } })],
      ['since in the address', (cursor: string) => ({ headers: {}, query: { since: cursor } })],
    ] as const) {
      it(`goes on after ${way}`, async () => {
        const topic = target.topic('news');
        const first = await visitor().openStream({ topics: topic });
        await opened(first);
        await visitor().publish(topic, 'seen');
        await until('the message comes', () => messages(first).length > 0);
        const cursor = first.events.findLast(({ id }) => id !== undefined)!.id!;
        first.close();
        await visitor().publishAll(topic, ['missed 1', 'missed 2']);

        const { headers, query } = where(cursor);
        const later = await visitor().openStream({ topics: topic, ...query }, { ...headers });
        await opened(later);
        expect(later.data('position')[0]?.topics).to.deep.equal([{ topic, recovered: true }]);
        await visitor().publish(topic, 'live');
        await until('the live message comes', () => messages(later).includes('live'));
        expect(messages(later)).to.deep.equal(['missed 1', 'missed 2', 'live']);
      });
    }

    it('believes the header more than the address, and lastEventId more than since and rewind', async () => {
      const topic = target.topic('news');
      const { cursor: oldest } = await visitor().stream('news');
      await visitor().publishAll(topic, [1]);
      const { cursor: middle } = await visitor().stream('news');
      await visitor().publishAll(topic, [2]);
      const { cursor: newest } = await visitor().stream('news');
      await visitor().publishAll(topic, [3]);
      const ways = [
        await visitor().openStream(
          { topics: topic, lastEventId: middle, since: oldest, rewind: '3' },
          { 'Last-Event-ID': newest },
        ),
        await visitor().openStream({ topics: topic, lastEventId: middle, since: oldest, rewind: '3' }),
      ];
      for (const stream of ways) await opened(stream);
      await visitor().publish(topic, 'live');
      for (const stream of ways) await until('live comes', () => messages(stream).includes('live'));
      expect(ways.map(messages)).to.deep.equal([
        [3, 'live'],
        [2, 3, 'live'],
      ]);
    });

    it('tells its position when the backfill is over: an id that moves on without a message', async () => {
      const [topic, other] = [target.topic('news'), target.topic('news')];
      await visitor().publishAll(topic, [1]);
      const stream = await visitor().openStream({ topics: other, rewind: '1' });
      await until('a second position comes', () => stream.data('position').length > 1);
      const { id, data } = stream.events.at(-1)!;
      expect(JSON.parse(data)).to.deep.equal({ cursor: id });
    });

    const refused: [what: string, query: () => string, status: number, code: string, field: string][] = [
      ['no topics', () => '', 400, 'bad_request', 'topics'],
      ['no topic', () => 'topics=news', 400, 'bad_topic', 'topics[0]'],
      [
        'an unknown stream',
        () => `topics=${target.topic('news')},nothing:a`,
        404,
        'unknown_stream',
        'topics[1]',
      ],
      ['rewind 0', () => `topics=${target.topic('news')}&rewind=0`, 400, 'bad_request', 'rewind'],
      [
        'rewind that is not a number',
        () => `topics=${target.topic('news')}&rewind=x`,
        400,
        'bad_request',
        'rewind',
      ],
      [
        'a parameter that does not exist',
        () => `topics=${target.topic('news')}&sinse=-`,
        400,
        'bad_request',
        'sinse',
      ],
    ];
    for (const [what, query, status, code, field] of refused) {
      it(`is refused with ${status} before it begins: ${what}`, async () => {
        const stream = await visitor().openStream(query());
        await until('the answer is there', () => stream.ended);
        expect(stream.status).to.equal(status);
        expect(stream.headers.get('content-type')).to.match(/^application\/problem\+json\b/);
        expect(stream.json()).to.include({ status, code, field });
      });
    }
  });
}
