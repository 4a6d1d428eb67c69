import { expect } from 'chai';
import { until } from '../support/wait.js';
import type { Target } from './target.js';
import { eachTestHasVisitor, SOCKETS } from './visitor.js';

/** Requests of sockets that are wrong: what is answered, and what closes the connection. */
export function refusing(target: Target): void {
  for (const transport of SOCKETS) {
    describe(`A wrong request over ${transport}`, () => {
      const visitor = eachTestHasVisitor(target);
      const stream = () => target.streams[0]!.name;

      const cases: [
        what: string,
        operation: string,
        body: () => Record<string, unknown>,
        code: string,
        field?: string,
      ][] = [
        [
          'a stream that does not exist',
          'subscribe',
          () => ({ topics: ['no-such-stream:a'] }),
          'unknown_stream',
          'topics[0]',
        ],
        [
          'no topic, in second place',
          'subscribe',
          () => ({ topics: [`${stream()}:a`, 'a'] }),
          'bad_topic',
          'topics[1]',
        ],
        [
          'a key with a space',
          'subscribe',
          () => ({ topics: [`${stream()}:a b`] }),
          'bad_topic',
          'topics[0]',
        ],
        [
          'a key with a star in it',
          'subscribe',
          () => ({ topics: [`${stream()}:a*`] }),
          'bad_topic',
          'topics[0]',
        ],
        ['no topics', 'subscribe', () => ({}), 'bad_request', 'topics'],
        ['an empty list', 'subscribe', () => ({ topics: [] }), 'bad_request', 'topics'],
        ['a topic that is no string', 'subscribe', () => ({ topics: [1] }), 'bad_request', 'topics[0]'],
        ['rewind 0', 'subscribe', () => ({ topics: [`${stream()}:a`], rewind: 0 }), 'bad_request', 'rewind'],
        [
          'rewind 10001',
          'subscribe',
          () => ({ topics: [`${stream()}:a`], rewind: 10_001 }),
          'bad_request',
          'rewind',
        ],
        [
          'rewind as text',
          'subscribe',
          () => ({ topics: [`${stream()}:a`], rewind: '5' }),
          'bad_request',
          'rewind',
        ],
        [
          'rewind with since',
          'subscribe',
          () => ({ topics: [`${stream()}:a`], rewind: 1, since: '-' }),
          'bad_request',
          'rewind',
        ],
        [
          'a since of 4097 characters',
          'subscribe',
          () => ({ topics: [`${stream()}:a`], since: 'a'.repeat(4097) }),
          'bad_request',
          'since',
        ],
        [
          'since as a number',
          'subscribe',
          () => ({ topics: [`${stream()}:a`], since: 5 }),
          'bad_request',
          'since',
        ],
        [
          'a field that does not exist',
          'subscribe',
          () => ({ topics: [`${stream()}:a`], sinse: '-' }),
          'bad_request',
        ],
        ['no topics', 'unsubscribe', () => ({}), 'bad_request', 'topics'],
        ['no topic', 'unsubscribe', () => ({ topics: [''] }), 'bad_topic', 'topics[0]'],
        ['no topic', 'publish', () => ({ data: 1 }), 'bad_request', 'topic'],
        ['no data', 'publish', () => ({ topic: `${stream()}:a` }), 'bad_request', 'data'],
        ['no topic', 'history', () => ({}), 'bad_request', 'topic'],
        ['limit 0', 'history', () => ({ topic: `${stream()}:a`, limit: 0 }), 'bad_request', 'limit'],
        ['no token', 'auth', () => ({}), 'bad_request', 'token'],
      ];
      for (const [what, operation, body, code, field] of cases) {
        it(`is answered with ${code}: ${operation} with ${what}`, async () => {
          const client = await visitor().connect(transport);
          const ack = await client.request(operation, body());
          expect(ack.ok).to.equal(false);
          expect(ack.error?.code).to.equal(code);
          if (field !== undefined) expect(ack.error?.field).to.equal(field);
          expect(ack.error?.message, 'a message for a person').to.be.a('string').and.not.equal('');
        });
      }

      it('is answered with unknown_op if there is no such operation, and the connection stays open', async () => {
        const client = await visitor().connect(transport);
        for (const operation of ['frobnicate', 'toString', '']) {
          const ack = await client.request(operation, {});
          expect(ack.ok, operation).to.equal(false);
          expect(ack.error?.code, operation).to.equal('unknown_op');
        }
        expect((await client.request('subscribe', { topics: [target.topic(stream())] })).ok).to.equal(true);
      });
    });
  }

  describe('A WebSocket frame', () => {
    const visitor = eachTestHasVisitor(target);

    for (const [what, frame] of [
      ['that is no JSON', 'subscribe'],
      ['that is empty', ''],
      ['that is an array', '[{"op":"subscribe"}]'],
      ['that is a string', '"subscribe"'],
      ['that is null', 'null'],
      ['without an op', '{"id":1}'],
      ['with an op that is no string', '{"op":1}'],
      ['with an id that is an object', '{"op":"subscribe","id":{}}'],
      ['of bytes', Buffer.from('{"op":"subscribe","id":1,"topics":["news:a"]}')],
    ] as const) {
      it(`${what} closes the connection with 4400`, async () => {
        const client = await visitor().connectWebSocket();
        client.socket.send(frame);
        await until('it is closed', () => client.closeCodes.length > 0);
        expect(client.closeCodes).to.deep.equal([4400]);
      });
    }

    it('is acknowledged with its own id, a number or a string, or without one if it had none', async () => {
      const client = await visitor().connectWebSocket();
      const ids = [7.5, 'a string', '', undefined];
      for (const id of ids) client.socket.send(JSON.stringify({ op: 'frobnicate', id }));
      const acks = () => client.frames.filter(({ op }) => op === 'ack');
      await until('all are acknowledged', () => acks().length >= ids.length);
      expect(acks().map(({ id }) => id)).to.deep.equal(ids);
      expect(acks().map((ack) => 'id' in ack)).to.deep.equal([true, true, true, false]);
    });

    it('of a publish that repeats its own id is another message: messageId is what counts', async () => {
      const topic = target.topic(target.streams[0]!.name);
      const client = await visitor().connectWebSocket();
      const frame = (data: number, messageId?: string) =>
        client.socket.send(JSON.stringify({ op: 'publish', id: 'same', topic, data, messageId }));
      frame(1);
      frame(2);
      frame(3, `${topic} 3`);
      frame(3, `${topic} 3`);
      const acks = () => client.frames.filter(({ op }) => op === 'ack');
      await until('all are acknowledged', () => acks().length >= 4);
      expect(acks().map(({ ok, duplicate }) => [ok, duplicate])).to.deep.equal([
        [true, undefined],
        [true, undefined],
        [true, undefined],
        [true, true],
      ]);
    });
  });
}
