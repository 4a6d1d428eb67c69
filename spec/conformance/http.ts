import { expect } from 'chai';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor } from './visitor.js';

/** The HTTP interface: problem details, streams and topics. */
export function http(target: Target): void {
  describe('An HTTP error', () => {
    const visitor = eachTestHasVisitor(target);

    const cases: [method: string, path: string, statuses: readonly number[], code?: string][] = [
      ['GET', '/api/nothing', [404], 'not_found'],
      ['GET', '/nothing/at/all', [404], 'not_found'],
      ['GET', '/api/streams/no-such-stream', [404], 'unknown_stream'],
      ['GET', '/api/topics/no-topic', [400], 'bad_topic'],
      ['GET', '/api/topics/no-topic/messages', [400], 'bad_topic'],
      ['GET', '/api/topics/%E0%A4/messages', [400], 'bad_request'],
      ['POST', '/api/messages', [400], 'bad_json'],
      // A method that is not offered: 405, or 404 where the server knows the two together.
      ['GET', '/api/messages', [404, 405]],
      ['DELETE', '/api/streams', [404, 405]],
      ['PUT', '/api/topics/news:a/messages', [404, 405]],
      ['PUT', '/stream?topics=news:a', [404, 405]],
    ];
    for (const [method, path, statuses, code] of cases) {
      it(`is problem details: ${method} ${path}`, async () => {
        const { status, headers, body } = await visitor().call(method, path);
        expect(statuses).to.include(status);
        expect(headers.get('content-type')).to.match(/^application\/problem\+json\b/);
        expect(body).to.include.all.keys('type', 'title', 'status', 'detail', 'code');
        expect(body.status).to.equal(status);
        expect(body.type).to.equal(`urn:axiom-streaming:${body.code}`);
        for (const name of ['title', 'detail']) expect(body[name], name).to.be.a('string').and.not.equal('');
        if (code !== undefined) expect(body.code).to.equal(code);
      });
    }
  });

  describe('Streams and topics over HTTP', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    it('lists the streams, each with its class, position and retention', async () => {
      const { status, headers, body } = await visitor().call<{ streams: Record<string, unknown>[] }>(
        'GET',
        '/api/streams',
      );
      expect(status).to.equal(200);
      expect(headers.get('cache-control')).to.equal('no-store');
      for (const stream of body.streams) {
        expect(stream).to.have.all.keys(
          ...['name', 'class', 'live', 'epoch', 'lastSeq', 'cursor', 'keys', 'retention'],
        );
        expect(stream.class).to.be.oneOf(['state', 'log', 'ledger']);
      }
    });

    it('shows one stream with its topics', async () => {
      const topic = target.topic('news');
      await visitor().publishAll(topic, [1]);
      const { status, body } = await visitor().call<{ topics: string[]; moreTopics: boolean }>(
        'GET',
        '/api/streams/news',
      );
      expect(status).to.equal(200);
      if (!body.moreTopics) expect(body.topics).to.include(topic);
      expect(body.topics.length).to.be.at.most(1000);
    });

    it('shows the newest message of a topic, or 404 if there is none', async () => {
      const topic = target.topic('news');
      const path = `/api/topics/${encodeURIComponent(topic)}`;
      expect((await visitor().call('GET', path)).body).to.include({ code: 'not_found', field: 'topic' });
      const [, newest] = await visitor().publishAll(topic, [1, 2]);
      const { status, body } = await visitor().call('GET', path);
      expect(status).to.equal(200);
      const { seq, time, epoch } = newest!;
      expect(body).to.deep.equal({ topic, class: 'log', epoch, last: { topic, seq, time, data: 2 } });
    });
  });
}
