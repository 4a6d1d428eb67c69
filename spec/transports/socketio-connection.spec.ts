/**
 * What the hub uses of Socket.IO beyond its documentation, a spec for each: when an update moves one of these, the
 * spec that fails says what was relied upon. The versions are pinned exactly for the same reason.
 */
import type { EventEmitter } from 'node:events';
import { Socket as TcpSocket } from 'node:net';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { expect } from 'chai';
import type { Socket } from 'socket.io';
import { FrameChain } from '../../server/hub/delivery/frame-chain.js';
import {
  bufferedBytes,
  directSocket,
  dropRequest,
  endConnection,
  engineConnection,
} from '../../server/transports/socketio/engine-connection.js';
import { socketIoEncoding } from '../../server/transports/socketio/message-encoding.js';
import { SocketSink } from '../../server/transports/socketio/socket-sink.js';
import { patient, until } from '../support/wait.js';
import { BareSocketIo, heard } from './bare-socketio.js';

describe('What the hub relies on in Socket.IO', () => {
  let bare: BareSocketIo;

  async function start(options: { redis: boolean }): Promise<void> {
    bare = await BareSocketIo.start(options);
  }

  afterEach(() => bare.stop());

  describe('the connection below a socket', () => {
    beforeEach(() => start({ redis: false }));

    const message = (seq: number) =>
      socketIoEncoding.encode(
        { text: `{"topic":"news:a","seq":${seq},"time":1,"data":{"price":"12 €"}}` },
        `news.abc.${seq}`,
      );

    const frames = (...seqs: number[]) =>
      seqs.reduce((link, seq) => link.followedBy(message(seq)), FrameChain.start());

    it('has over WebSocket the socket of ws, and what is waiting', async () => {
      const { socket } = await bare.connect();
      const connection = engineConnection(socket);
      expect(connection.readyState).to.equal('open');
      expect(connection.transport.name).to.equal('websocket');
      expect(connection.transport.socket?.terminate).to.be.a('function');
      expect(connection.transport.socket?.close).to.be.a('function');
      expect(connection.transport.socket?.bufferedAmount).to.equal(0);
      expect(connection.writeBuffer).to.be.an('array');
      expect(bufferedBytes(connection)).to.equal(0);
    });

    it('has no such socket over polling, and counts what waits for the next poll', async () => {
      const { socket } = await bare.connect('polling');
      const connection = engineConnection(socket);
      expect(connection.transport.name).to.equal('polling');
      expect(connection.transport.socket).to.equal(undefined);
      const sink = new SocketSink(socket, socketIoEncoding, true);
      for (let seq = 1; seq <= 50; seq++) sink.write(frames(seq));
      expect(sink.bufferedBytes()).to.be.within(message(1).wire.length * 40, message(50).wire.length * 50);
    });

    for (const transport of ['websocket', 'polling'] as const) {
      for (const direct of [true, false]) {
        it(`delivers frames that were made beforehand over ${transport}, ${direct ? 'past' : 'through'} its buffer, in order with ordinary events`, async () => {
          const { client, socket } = await bare.connect(transport);
          const events: string[] = [];
          client.on('message', ({ seq, data }: { seq: number; data: unknown }, cursor: string) => {
            expect(data).to.deep.equal({ price: '12 €' });
            events.push(`message ${seq} ${cursor}`);
          });
          client.on('position', (cursor: string) => events.push(`position ${cursor}`));
          const sink = new SocketSink(socket, socketIoEncoding, direct);
          sink.write(frames(1));
          sink.write(frames(2, 3));
          sink.position('news.abc.3');
          sink.write(frames(4));
          await until('everything has come', () => events.length === 5, { instead: () => events });
          expect(events).to.deep.equal([
            'message 1 news.abc.1',
            'message 2 news.abc.2',
            'message 3 news.abc.3',
            'position news.abc.3',
            'message 4 news.abc.4',
          ]);
        });
      }
    }

    it('writes past its buffer only while nothing waits there', async () => {
      const { client, socket } = await bare.connect();
      const connection = engineConnection(socket);
      const events: string[] = [];
      client.on('message', ({ seq }: { seq: number }) => events.push(`message ${seq}`));
      client.on('position', (cursor: string) => events.push(`position ${cursor}`));
      const sink = new SocketSink(socket, socketIoEncoding, true);
      expect(directSocket(connection)).to.be.instanceOf(TcpSocket);
      sink.position('news.abc.1');
      sink.position('news.abc.2');
      // The transport is busy with the first event, so the second one waits.
      expect(connection.writeBuffer).to.have.length(1);
      expect(directSocket(connection)).to.equal(undefined);
      sink.write(frames(3));
      await until('everything has come', () => events.length === 3, { instead: () => events });
      expect(events).to.deep.equal(['position news.abc.1', 'position news.abc.2', 'message 3']);
      await until('nothing waits', () => directSocket(connection) !== undefined);
    });

    it('continues without its original request', async () => {
      const { client, socket } = await bare.connect();
      const connection = engineConnection(socket) as unknown as { request: unknown };
      expect(socket.handshake.headers).to.have.property('host');
      dropRequest(socket);
      expect(connection.request).to.equal(null);
      expect(socket.handshake.headers).to.deep.equal({});
      const { transport } = connection as unknown as {
        transport: { listenerCount(event: string): number; socket: { _socket: TcpSocket } & EventEmitter };
      };
      expect(transport.listenerCount('headers')).to.equal(0);
      expect(transport.socket.listeners('error').map(({ name }) => name)).not.to.include('onUpgradeError');
      // What is left is what ws itself listens to.
      const left = transport.socket._socket.rawListeners('close').map(({ name }) => name);
      expect(left).to.include('socketOnClose');
      expect(left.some((name) => name.includes('onceWrapper'))).to.equal(false);
      const got = heard(client, 'position');
      socket.emit('position', 'news.abc.1');
      await until('an event has come', () => got.length === 1);
      const asked = new Promise<unknown>((resolve) => socket.once('question', resolve));
      client.emit('question', 7);
      expect(await asked).to.equal(7);
      const gone = new Promise<string>((resolve) => socket.once('disconnect', resolve));
      client.disconnect();
      expect(await gone).to.equal('client namespace disconnect');
    });

    it('is ended for "slow" at once, though its client reads nothing', async () => {
      const { client, socket } = await bare.connect();
      const tcp = (client.io.engine as unknown as { transport: { ws: { _socket: TcpSocket } } }).transport.ws
        ._socket;
      tcp.pause();
      const sink = new SocketSink(socket, socketIoEncoding, true);
      const large = socketIoEncoding.encode({ text: JSON.stringify('x'.repeat(500_000)) }, '-');
      let waiting = 0;
      for (let i = 0; i < 100 && waiting < 5_000_000; i++)
        waiting = sink.write(FrameChain.start().followedBy(large));
      expect(waiting).to.be.greaterThan(1_000_000);
      const gone = new Promise<string>((resolve) => socket.once('disconnect', resolve));
      const started = performance.now();
      sink.close(CLOSE.slow);
      expect(await gone).to.match(/^transport/);
      // A close that waits for its answer would take 30 s.
      expect(performance.now() - started).to.be.lessThan(patient(1_000));
      client.disconnect();
    });

    it('gives every connection the same frame', async () => {
      const [one, other] = [await bare.connect(), await bare.connect()];
      const got = [heard(one.client, 'message'), heard(other.client, 'message')];
      const frame = message(1);
      for (const { socket } of [one, other])
        new SocketSink(socket, socketIoEncoding, true).write(FrameChain.start().followedBy(frame));
      await until('both have it', () => got.every((all) => all.length === 1));
      expect(frame.wire).to.equal(frame.wire);
    });

    it('takes nothing after it was closed', async () => {
      const { socket } = await bare.connect();
      const sink = new SocketSink(socket, socketIoEncoding, true);
      engineConnection(socket).close(true);
      await until('it is closed', () => engineConnection(socket).readyState === 'closed');
      sink.write(frames(1));
      sink.position('news.abc.1');
      sink.close(CLOSE.drain);
      expect(sink.bufferedBytes()).to.equal(0);
    });

    for (const transport of ['websocket', 'polling'] as const) {
      for (const code of [CLOSE.drain, CLOSE.slow]) {
        it(`is ended for "${code.name}" over ${transport} so that the client comes back by itself`, async () => {
          const { client, socket } = await bare.connect(transport);
          const reasons: string[] = [];
          client.on('disconnect', (reason) => reasons.push(reason));
          const back = new Promise<Socket>((resolve) => bare.server.once('connection', resolve));
          endConnection(engineConnection(socket), code);
          await back;
          expect(reasons).to.have.length(1);
          expect(reasons[0]).to.match(/^transport (close|error)$/);
        });
      }
    }
  });
});
