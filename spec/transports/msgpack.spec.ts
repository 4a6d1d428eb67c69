import { isPlainMsgpack } from '@axiom-streaming/protocol/msgpack-guard';
import { expect } from 'chai';
import fc from 'fast-check';
import parser from 'socket.io-msgpack-parser';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { publish } from '../support/http.js';
import { propertyOptions } from '../support/size.js';
import { connectSocketIo, type SocketIoTestClient, subscribeSocketIo } from '../support/socketio-client.js';
import { patient, until } from '../support/wait.js';

const pack = (value: unknown) =>
  Buffer.from((new parser.Encoder().encode(value) as unknown as [Uint8Array])[0]);

describe('The guard before MessagePack', () => {
  it('lets everything through that JSON can say', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        expect(isPlainMsgpack(pack({ type: 2, nsp: '/', id: undefined, data: ['x', value] }))).to.equal(true);
      }),
      propertyOptions({ quick: 100, full: 500 }),
    );
  });

  it('refuses counts and lengths that the bytes do not cover', () => {
    for (const bytes of [
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xdf, 0xff, 0xff, 0xff, 0xff],
      [0xdc, 0xff, 0xff, 0xc0],
      [0x9f, 0xc0],
      [0xdb, 0x7f, 0xff, 0xff, 0xff, 0x61],
      [0xc6, 0xff, 0xff, 0xff, 0xff],
      [0xa5, 0x61],
      [0xcb, 0x00],
      [0xdd],
      [],
    ]) {
      expect(isPlainMsgpack(Buffer.from(bytes)), Buffer.from(bytes).toString('hex')).to.equal(false);
    }
  });

  it('refuses extension types, keys that are not strings, depth, and trailing bytes', () => {
    const deep = (depth: number) => Buffer.from([...Array.from({ length: depth }, () => 0x91), 0xc0]);
    expect(isPlainMsgpack(deep(256))).to.equal(true);
    expect(isPlainMsgpack(deep(257))).to.equal(false);
    for (const bytes of [
      [0xd4, 0x00, 0x01],
      [0xd4, 0x01, 0x00],
      [0xd4, 0x00],
      [0xc7, 0x01, 0x00, 0x00],
      [0xc1],
      [0x81, 0x01, 0x02],
      [0xc0, 0xc0],
    ]) {
      expect(isPlainMsgpack(Buffer.from(bytes)), Buffer.from(bytes).toString('hex')).to.equal(false);
    }
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(isPlainMsgpack(Buffer.from(bytes))).to.be.a('boolean');
      }),
      propertyOptions({ quick: 1_000, full: 5_000 }),
    );
  });
});

describe('Socket.IO with MessagePack', () => {
  let app: RunningNode;
  const clients: SocketIoTestClient[] = [];

  before(async () => {
    app = await startTestApp();
  });

  after(async () => {
    for (const client of clients) client.close();
    await app?.stop();
  });

  for (const transports of [['websocket'], ['polling']] as const) {
    it(`delivers what JSON clients get, in order with it, over ${transports[0]}`, async () => {
      const topic = `news:both-${transports[0]}`;
      const [packed, plain] = [
        await subscribeSocketIo({ url: app.url, msgpack: true, transports }, { topics: [topic] }),
        await subscribeSocketIo({ url: app.url, transports }, { topics: [topic] }),
      ];
      clients.push(packed, plain);
      const values = [1, 'Grüße €', null, { price: 12.5, list: [true, [], {}] }, -1.5e-300, 2 ** 53];
      for (const value of values) await publish(app.url, topic, value);
      await until('both have everything', () =>
        [packed, plain].every(({ seen }) => seen.messages.length === values.length),
      );
      expect(packed.seen.messages).to.deep.equal(plain.seen.messages);
      expect(packed.seen.cursor).to.equal(plain.seen.cursor);
      expect(packed.seen.data()).to.deep.equal(values);
    });
  }

  it('publishes, reads history and is refused as over JSON', async () => {
    const client = await connectSocketIo({ url: app.url, msgpack: true });
    clients.push(client);
    expect(await client.request('publish', { topic: 'news:packed', data: { a: 1 } })).to.include({
      ok: true,
      seq: 13,
    });
    const history = await client.request('history', { topic: 'news:packed' });
    expect((history.messages as { data: unknown }[]).map(({ data }) => data)).to.deep.equal([{ a: 1 }]);
    const refused = await client.request('subscribe', { topics: ['sport:a'] });
    expect(refused.error).to.include({ code: 'unknown_stream', field: 'topics[0]' });
  });

  it('recovers what was missed while the connection was cut', async () => {
    const client = await subscribeSocketIo({ url: app.url, msgpack: true }, { topics: ['signals:cut'] });
    clients.push(client);
    for (let n = 0; n < 10; n++) await publish(app.url, 'signals:cut', n);
    await until('the first ten are there', () => client.seen.messages.length === 10);
    client.socket.io.engine.close();
    for (let n = 10; n < 20; n++) await publish(app.url, 'signals:cut', n);
    await until('all are there', () => client.seen.messages.length >= 20);
    expect(client.seen.data()).to.deep.equal(Array.from({ length: 20 }, (_, n) => n));
    expect(client.recovered).to.deep.equal([false, true]);
  });

  it('ends a connection that sends what must not be decoded, and keeps serving the others', async () => {
    const [bad, good] = [
      await connectSocketIo({ url: app.url, msgpack: true }),
      await subscribeSocketIo({ url: app.url, msgpack: true }, { topics: ['news:after'] }),
    ];
    clients.push(bad, good);
    const { engine } = bad.socket.io;
    const started = performance.now();
    engine.write(Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0]) as unknown as string);
    await until('it is ended', () => bad.seen.losses > 0);
    await publish(app.url, 'news:after', 'alive');
    await until('the other goes on', () => good.seen.data().includes('alive'));
    // What it announces would take minutes.
    expect(performance.now() - started).to.be.below(patient(1_000));
  });
});
