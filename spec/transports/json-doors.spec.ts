/** Whatever JSON says goes through every door alike, and what it cannot say is refused at every door. */
import { once } from 'node:events';
import { flawOf } from '@axiom-streaming/protocol/json';
import { expect } from 'chai';
import fc from 'fast-check';
import { io, type Socket } from 'socket.io-client';
import parser from 'socket.io-msgpack-parser';
import { WebSocket } from 'ws';
import type { RunningNode } from '../../server/node/start-node.js';
import { decodeMsgpack, encodeMsgpack } from '../../server/transports/socketio/msgpack-codec.js';
import { guardedMsgpackParser } from '../../server/transports/socketio/msgpack-encoding.js';
import { startTestApp } from '../http/test-app.js';
import { authorization, SPEC_KEY } from '../support/credentials.js';
import { call, publish } from '../support/http.js';
import { propertyOptions } from '../support/size.js';
import { type Ack, connectSocketIo, type SocketIoTestClient } from '../support/socketio-client.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';

const stockPack = (value: unknown) =>
  Buffer.from((new parser.Encoder().encode(value) as unknown as [Uint8Array])[0]);

/** What a client with the stock parser makes of a value that the hub sends. */
function stockUnpack(value: unknown): unknown {
  const decoder = new parser.Decoder();
  let data: unknown;
  decoder.on('decoded', (packet: { data: [unknown] }) => {
    [data] = packet.data;
  });
  decoder.add(encodeMsgpack({ type: 2, nsp: '/', data: [value] }));
  return data;
}

/** JSON values with numbers of every size. */
const jsonValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false, '', 2 ** 53, 2 ** 53 - 1, -(2 ** 53), 2 ** 64, 1e29, -1e300),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc
      .array(fc.tuple(fc.oneof(fc.constant('__proto__'), fc.string({ maxLength: 12 })), tie('value')), {
        maxLength: 5,
      })
      .map((entries) => Object.fromEntries(entries)),
  ),
})).value;

/** As JSON, which tells keys named `__proto__` apart from prototypes. */
const text = (value: unknown) => JSON.stringify(value);

describe('MessagePack as the hub writes and reads it', () => {
  it('gives back whatever JSON says', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(text(decodeMsgpack(encodeMsgpack(value)))).to.equal(text(value));
      }),
      propertyOptions({ quick: 500, full: 5_000 }),
    );
  });

  it('is what the stock parser reads', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        // It reads such a key as the prototype: a fault that PROTOCOL.md names.
        fc.pre(!text(value).includes('"__proto__"'));
        expect(text(stockUnpack(value))).to.equal(text(value));
      }),
      propertyOptions({ quick: 200, full: 2_000 }),
    );
    // What that parser itself writes of larger numbers is not what it was given.
    const isSafe = (_: string, value: unknown) => {
      if (typeof value === 'number' && Number.isInteger(value)) fc.pre(Number.isSafeInteger(value));
      return value;
    };
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        JSON.stringify(value, isSafe);
        expect(text(decodeMsgpack(stockPack(value)))).to.equal(text(value));
      }),
      propertyOptions({ quick: 200, full: 2_000 }),
    );
    for (const value of [2 ** 64 - 1, 1e29, -1e29, 2 ** 53, -(2 ** 53), 2 ** 31, -(2 ** 31) - 1, -129]) {
      expect(stockUnpack([value])).to.deep.equal([value]);
    }
  });

  it('keeps the sign of zero, and the characters beside an unpaired surrogate', () => {
    expect(Object.is(decodeMsgpack(encodeMsgpack(-0)), -0)).to.equal(true);
    expect(decodeMsgpack(encodeMsgpack(['a\ud800b', '\udc00', `${'x'.repeat(60)}\ud800y`]))).to.deep.equal([
      'a\ufffdb',
      '\ufffd',
      `${'x'.repeat(60)}\ufffdy`,
    ]);
  });

  it('carries what Socket.IO itself may send: bytes, dates, what knows its JSON', () => {
    const when = new Date(1_763_900_000_123);
    const sent = { bytes: Buffer.from([1, 2]), when, url: new URL('http://a/'), none: undefined };
    expect(stockUnpack(sent)).to.deep.equal({ bytes: Buffer.from([1, 2]), when, url: 'http://a/' });
  });
});

describe('The doors of a node', () => {
  let app: RunningNode;
  let plain: SocketIoTestClient;
  let webSocket: WebSocketTestClient;
  /** MessagePack with a codec that is right on both sides. */
  let packed: Socket;
  const got: string[] = [];

  before(async () => {
    app = await startTestApp({ MAX_PUBLISHES_PER_SECOND_PER_CONNECTION: '100000' });
    plain = await connectSocketIo({ url: app.url });
    webSocket = await WebSocketTestClient.subscribe({ url: app.url }, { topics: ['news:any'] });
    await plain.subscribe({ topics: ['news:any'] });
    packed = io(app.url, {
      path: '/msgpack/',
      parser: guardedMsgpackParser,
      auth: { token: SPEC_KEY },
      forceNew: true,
      transports: ['websocket'],
    });
    packed.on('message', ({ data }: { data: unknown }) => got.push(text(data)));
    await packed.timeout(20_000).emitWithAck('subscribe', { topics: ['news:any'] });
  });

  after(async () => {
    packed?.disconnect();
    plain?.close();
    webSocket?.close();
    await app?.stop();
  });

  const topic = 'news:any';
  const publishers: Readonly<Record<string, (data: unknown) => Promise<unknown>>> = {
    HTTP: async (data) => (await publish(app.url, topic, data)).body,
    'a batch': async (data) =>
      (await call('POST', `${app.url}/api/messages`, JSON.stringify([{ topic, data }]))).body,
    WebSocket: (data) => webSocket.request('publish', { topic, data }),
    'Socket.IO': (data) => plain.request('publish', { topic, data }),
    MessagePack: (data) => packed.timeout(20_000).emitWithAck('publish', { topic, data }),
  };

  it('give JSON and MessagePack clients the same, whichever the publisher used', async () => {
    const published: string[] = [];
    await fc.assert(
      fc.asyncProperty(jsonValue, fc.constantFrom(...Object.keys(publishers)), async (value, door) => {
        const answer = (await publishers[door]!(value)) as Record<string, unknown>;
        expect(answer, `${door}: ${text(answer)}`).not.to.have.property('error');
        published.push(text(value));
      }),
      { ...propertyOptions({ quick: 150, full: 1_500 }), endOnFailure: true },
    );
    await until('everything has come', () =>
      [got, plain.seen.messages, webSocket.seen.messages].every(({ length }) => length >= published.length),
    );
    expect(got).to.deep.equal(published);
    expect(plain.seen.data().map(text)).to.deep.equal(published);
    expect(webSocket.seen.data().map(text)).to.deep.equal(published);
    // The past comes through the same codec.
    const past: Ack = await packed.timeout(20_000).emitWithAck('history', { topic, limit: 100 });
    expect((past.messages as { data: unknown }[]).map(({ data }) => text(data))).to.deep.equal(
      published.slice(-100),
    );
  });

  const refused = { code: 'bad_request', field: 'data' };

  for (const number of ['1e999', '-1e999', `${'9'.repeat(400)}`]) {
    it(`refuse a number beyond a 64-bit float: ${number.slice(0, 10)}`, async () => {
      const data = `{"a":[${number}]}`;
      const item = `{"topic":"news:refused","data":${data}}`;
      const one = await call('POST', `${app.url}/api/topics/news:refused/messages`, data);
      expect(one.status).to.equal(400);
      expect(one.body).to.include(refused);
      for (const body of [`[${item}]`, item]) {
        const { body: answer } = await call('POST', `${app.url}/api/messages`, body);
        expect((answer as { results: [{ error: unknown }] }).results[0].error).to.include(refused);
      }
      webSocket.socket.send(`{"op":"publish","id":77,"topic":"news:refused","data":${data}}`);
      await until('it is answered', () => webSocket.frames.some(({ id }) => id === 77));
      expect(webSocket.frames.find(({ id }) => id === 77)?.error).to.include(refused);
      expect(await socketIoError(`429077["publish",${item}]`)).to.include(refused);
      const over = await packed
        .timeout(20_000)
        .emitWithAck('publish', { topic: 'news:refused', data: { a: [Number.POSITIVE_INFINITY] } });
      expect(over.error).to.include(refused);
    });
  }

  it('refuse bytes, and whole numbers that a 64-bit float may not hold', async () => {
    for (const client of [plain.socket, packed]) {
      const data = { a: Buffer.from('abc') };
      const ack = await client.timeout(20_000).emitWithAck('publish', { topic: 'news:refused', data });
      expect(ack.error).to.include(refused);
      expect(ack.error.message).to.match(/bytes/);
    }
    // As an encoder of another language writes them: uint 64 and int 64.
    for (const bytes of [
      'cfffffffffffffffff',
      'cf0020000000000000',
      'd38000000000000000',
      'd3ffdfffffffffffff',
    ]) {
      const client = await connectSocketIo({ url: app.url, msgpack: true });
      const head = encodeMsgpack({
        type: 2,
        nsp: '/',
        id: 5,
        data: ['publish', { topic: 'news:refused', data: 7 }],
      });
      const packet = Buffer.concat([head.subarray(0, -1), Buffer.from(bytes, 'hex')]);
      const answer = new Promise<Buffer>((resolve) => client.socket.io.engine.once('data', resolve));
      client.socket.io.engine.write(packet as unknown as string);
      const { data } = decodeMsgpack(Buffer.from(await answer)) as { data: [Ack] };
      expect(data[0].error, bytes).to.include(refused);
      client.close();
    }
  });

  it('make of a date what JSON makes of it', async () => {
    const client = await connectSocketIo({ url: app.url, msgpack: true });
    const dates = [0, 1_763_900_000_000, 1_763_900_000_123, -1, -62_135_596_800_000, 2 ** 43].map(
      (ms) => new Date(ms),
    );
    for (const { socket } of [client, plain]) {
      const ack = await socket.timeout(20_000).emitWithAck('publish', { topic: 'news:dates', data: dates });
      expect(ack, text(ack)).to.include({ ok: true });
    }
    const past = await client.request('history', { topic: 'news:dates' });
    for (const { data } of past.messages as { data: unknown }[]) expect(text(data)).to.equal(text(dates));
    client.close();
    // In the standard's own forms, of 4, 8 and 12 bytes; and seconds that no Date has.
    const forms = ['d6ff6922fa60', 'd7ff1d5353006922fa60', 'c70cff00000000fffffff1886e0900'];
    expect(forms.map((form) => Number(decodeMsgpack(Buffer.from(form, 'hex'))))).to.deep.equal([
      1_763_900_000_000, 1_763_900_000_123, -62_135_596_800_000,
    ]);
    expect(flawOf([decodeMsgpack(Buffer.from('c70cff000000007fffffffffffffff', 'hex'))])).to.match(/time/);
  });

  it('leave out a byte order mark', async () => {
    const marked = '\ufeff{"op":"publish","id":88,"topic":"news:marked","data":1}';
    webSocket.socket.send(marked);
    await until('it is answered', () => webSocket.frames.some(({ id }) => id === 88));
    expect(webSocket.frames.find(({ id }) => id === 88)).to.include({ ok: true });
    const item = '\ufeff{"topic":"news:marked","data":2}\n{"topic":"news:marked","data":3}';
    expect((await call('POST', `${app.url}/api/messages`, item)).status).to.equal(200);
  });

  it('refuse what is nested too deep by its field, over MessagePack too', async () => {
    let data: unknown = 1;
    for (let i = 0; i < 129; i++) data = [data];
    for (const [door, send] of Object.entries(publishers)) {
      const answer = text(await send(data));
      expect(answer, door).to.match(/nested/);
    }
    let fits: unknown = 1;
    for (let i = 0; i < 128; i++) fits = [fits];
    const ack = (await publishers.MessagePack!(fits)) as Ack;
    expect(ack.ok, text(ack)).to.equal(true);
  });

  /** The error that a packet of Socket.IO is answered with, sent as it stands. */
  async function socketIoError(packet: string): Promise<unknown> {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
      headers: authorization(),
    });
    const heard: string[] = [];
    socket.on('message', (data) => heard.push(String(data)));
    await once(socket, 'open');
    socket.send(`40${JSON.stringify({ token: SPEC_KEY })}`);
    await until('it is welcome', () => heard.some((frame) => frame.startsWith('42["welcome"')));
    socket.send(packet);
    await until('it is answered', () => heard.some((frame) => frame.startsWith('439077')));
    socket.terminate();
    const [ack] = JSON.parse(heard.find((frame) => frame.startsWith('439077'))!.slice(6)) as [Ack];
    return ack.error;
  }
});
