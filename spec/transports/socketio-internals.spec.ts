/**
 * What the hub uses of Socket.IO beyond its documentation, a spec for each: when an update moves one of these, the
 * spec that fails says what was relied upon. The versions are pinned exactly for the same reason.
 */
import type { EventEmitter } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, Socket as TcpSocket } from 'node:net';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { createAdapter, RedisAdapter } from '@socket.io/redis-adapter';
import { expect } from 'chai';
import notepack from 'notepack.io';
import { Server, type Socket } from 'socket.io';
import { Adapter, type Session } from 'socket.io-adapter';
import { type Socket as ClientSocket, io } from 'socket.io-client';
import { FrameChain } from '../../server/hub/delivery/frame-chain.js';
import {
  bufferedBytes,
  directSocket,
  dropRequest,
  endConnection,
  engineConnection,
} from '../../server/transports/socketio/engine-connection.js';
import {
  type AdapterHooks,
  hubAdapter,
  streamChannel,
} from '../../server/transports/socketio/hub-adapter.js';
import { socketIoEncoding } from '../../server/transports/socketio/message-encoding.js';
import { SocketSink } from '../../server/transports/socketio/socket-sink.js';
import { patient, until } from '../support/wait.js';

type Listener = (message: Buffer, channel: Buffer) => void;

/** The two clients of an adapter, without a Redis. */
class FakeClients {
  readonly published: { channel: string; message: Buffer }[] = [];
  readonly listeners = new Map<string, Listener>();
  readonly pubClient = {
    publish: (channel: string, message: Buffer) => void this.published.push({ channel, message }),
    pSubscribe: () => undefined,
    on: () => undefined,
    off: () => undefined,
    listenerCount: () => 2,
  };
  readonly subClient = {
    pSubscribe: (pattern: string, listener: Listener) => void this.listeners.set(pattern, listener),
    subscribe: (channels: string[], listener: Listener) => {
      for (const channel of channels) this.listeners.set(channel, listener);
    },
    pUnsubscribe: () => undefined,
    unsubscribe: () => undefined,
    on: () => undefined,
    off: () => undefined,
    listenerCount: () => 2,
  };

  /** What Redis would hand on. */
  arrive(channel: string, message: Buffer): void {
    const listener = this.listeners.get('socket.io#/#*') ?? this.listeners.get(channel);
    if (listener === undefined) throw new Error(`nobody has subscribed for ${channel}`);
    listener(message, Buffer.from(channel));
  }
}

class Hooks implements AdapterHooks {
  readonly received: { stream: string; payload: Buffer }[] = [];
  readonly malformations: unknown[] = [];
  readonly asked: { pid: string; offset: string }[] = [];
  session: Session | null = null;

  isHubPayload(payload: Buffer): boolean {
    return payload[0] === 0x48;
  }

  receive(stream: string, payload: Buffer): void {
    this.received.push({ stream, payload });
    if (payload.includes('broken')) throw new Error('damaged');
  }

  malformed(error: unknown): void {
    this.malformations.push(error);
  }

  async restoreSession(pid: string, offset: string): Promise<Session | null> {
    this.asked.push({ pid, offset });
    return this.session;
  }
}

describe('What the hub relies on in Socket.IO', () => {
  let httpServer: HttpServer;
  let server: Server;
  let url: string;
  let clients: FakeClients;
  let hooks: Hooks;
  const open: ClientSocket[] = [];

  async function start(options: { redis: boolean }): Promise<void> {
    httpServer = createServer();
    clients = new FakeClients();
    hooks = new Hooks();
    server = new Server(httpServer, {
      adapter: hubAdapter(hooks, options.redis ? clients : undefined),
      connectionStateRecovery: { maxDisconnectionDuration: 60_000, skipMiddlewares: false },
      perMessageDeflate: false,
    });
    await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}`;
  }

  /** A client, and its end on the server. */
  async function connect(
    transport: 'websocket' | 'polling' = 'websocket',
  ): Promise<{ client: ClientSocket; socket: Socket }> {
    const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = io(url, { transports: [transport], forceNew: true, reconnectionDelay: 10 });
    open.push(client);
    const socket = await connected;
    await until('the client is connected', () => client.connected);
    return { client, socket };
  }

  /** The arguments of the events of a name that a client gets. */
  function heard(client: ClientSocket, event: string): unknown[][] {
    const all: unknown[][] = [];
    client.on(event, (...args: unknown[]) => all.push(args));
    return all;
  }

  afterEach(async () => {
    for (const client of open.splice(0)) client.disconnect();
    server.engine.close();
    httpServer.closeAllConnections();
    await new Promise((resolve) => httpServer.close(resolve));
  });

  describe('the Redis adapter', () => {
    beforeEach(() => start({ redis: true }));

    it('has the hooks that are overridden', () => {
      const stock = new Server({ adapter: createAdapter(clients.pubClient, clients.subClient) }).of(
        '/',
      ).adapter;
      expect(stock).to.be.instanceOf(RedisAdapter).and.instanceOf(Adapter);
      const internals = stock as unknown as Record<string, unknown>;
      expect(internals.channel).to.equal('socket.io#/#');
      for (const hook of ['onmessage', 'onrequest', 'broadcast', 'persistSession', 'restoreSession']) {
        expect(internals[hook], hook).to.be.a('function');
      }
    });

    it('is subscribed to the channels of the streams of the main namespace', () => {
      expect([...clients.listeners.keys()]).to.include('socket.io#/#*');
      expect(streamChannel('market')).to.equal('socket.io#/#market#');
      expect(server.of('/').adapter).to.be.instanceOf(RedisAdapter);
    });

    it('hands the payloads of the hub on, with the name of their stream', () => {
      clients.arrive(streamChannel('market'), Buffer.from('H…'));
      expect(hooks.received).to.deep.equal([{ stream: 'market', payload: Buffer.from('H…') }]);
      expect(hooks.malformations).to.deep.equal([]);
    });

    it('throws at nobody, whatever arrives', async () => {
      clients.arrive(streamChannel('market'), Buffer.from('H broken'));
      // An array where the packet should be, no options, no msgpack at all.
      await connect();
      await connect();
      for (const socket of server.sockets.sockets.values()) void socket.join('market');
      clients.arrive(streamChannel('market'), notepack.encode(['uid', { type: 2, data: ['x'], nsp: '/' }]));
      clients.arrive(streamChannel('market'), Buffer.from([0xc1]));
      expect(hooks.malformations).to.have.length(3);
      clients.arrive(streamChannel('market'), Buffer.from('H fine'));
      expect(hooks.received).to.have.length(2);
    });

    it('catches what fails in a request of another node', async () => {
      const request = clients.listeners.get('socket.io-request#/#');
      request?.(notepack.encode({ type: 5, requestId: 'x' }), Buffer.from('socket.io-request#/#'));
      await until('it is reported', () => hooks.malformations.length === 1);
    });

    it('still carries ordinary broadcasts from other nodes', async () => {
      const { client, socket } = await connect();
      void socket.join('lobby');
      const got = heard(client, 'hello');
      const packet = notepack.encode([
        'another',
        { type: 2, data: ['hello', 1], nsp: '/' },
        { rooms: ['lobby'], except: [], flags: {} },
      ]);
      clients.arrive(streamChannel('lobby'), packet);
      await until('it has come', () => got.length === 1);
      expect(got[0]![0]).to.equal(1);
    });

    it('keeps what is for one socket of this node on this node', async () => {
      const { client, socket } = await connect();
      const got = heard(client, 'one');
      socket.emit('one', 1);
      server.to(socket.id).emit('one', 2);
      await until('both have come', () => got.length === 2);
      expect(clients.published).to.deep.equal([]);
    });

    it('publishes what is for a room, or for a socket of another node', async () => {
      const { socket } = await connect();
      void socket.join('lobby');
      server.to('lobby').emit('all', 1);
      server.to('socket-elsewhere').emit('one', 1);
      server.emit('everybody', 1);
      expect(clients.published.map(({ channel }) => channel)).to.deep.equal([
        'socket.io#/#lobby#',
        'socket.io#/#socket-elsewhere#',
        'socket.io#/#',
      ]);
    });
  });

  describe('state recovery', () => {
    for (const redis of [false, true]) {
      describe(redis ? 'over the Redis adapter' : 'over the adapter of a node alone', () => {
        beforeEach(() => start({ redis }));

        it('gives every socket a private id, which the client knows', async () => {
          const { client, socket } = await connect();
          const { pid } = socket as unknown as { pid: string };
          expect(pid).to.match(/^[A-Za-z0-9_-]{8,64}$/);
          expect((client as unknown as { _pid: string })._pid).to.equal(pid);
        });

        it('asks for the session with the private id and the last string that any event brought', async () => {
          const { client, socket } = await connect();
          const { pid } = socket as unknown as { pid: string };
          const got = heard(client, 'message');
          socket.emit('message', { seq: 1 }, 'news.abc.1');
          socket.emit('gap', { stream: 'news' });
          await until('it has come', () => got.length === 1);
          engineConnection(socket).close(true);
          await until('the session is asked for', () => hooks.asked.length === 1);
          expect(hooks.asked[0]!.pid).to.equal(pid);
          expect(hooks.asked[0]!.offset).to.be.a('string').and.equal('news.abc.1');
        });

        it('takes the session that it is given: id, rooms, data', async () => {
          const { client, socket } = await connect();
          const { pid } = socket as unknown as { pid: string };
          const got = heard(client, 'position');
          socket.emit('position', 'news.abc.7');
          await until('the client has a cursor', () => got.length === 1);
          hooks.session = {
            sid: socket.id,
            pid: pid as Session['pid'],
            rooms: ['news:a'],
            data: { resumption: 'yes' },
            missedPackets: [],
          };
          const back = new Promise<Socket>((resolve) => server.once('connection', resolve));
          engineConnection(socket).close(true);
          const again = await back;
          expect(again.recovered).to.equal(true);
          expect(again.id).to.equal(socket.id);
          expect([...again.rooms]).to.have.members([socket.id, 'news:a']);
          expect(again.data).to.deep.equal({ resumption: 'yes' });
          expect((again as unknown as { pid: string }).pid).to.equal(pid);
          await until('the client knows', () => client.connected && client.recovered);
        });

        it('begins anew where there is no session, and lets the client say who it was', async () => {
          const { client, socket } = await connect();
          const { pid } = socket as unknown as { pid: string };
          const got = heard(client, 'position');
          socket.emit('position', '-');
          await until('the client has a cursor', () => got.length === 1);
          const back = new Promise<Socket>((resolve) => server.once('connection', resolve));
          engineConnection(socket).close(true);
          const again = await back;
          expect(again.recovered).to.equal(false);
          expect(again.id).not.to.equal(socket.id);
          expect(again.handshake.auth).to.deep.equal({ pid, offset: '-' });
        });
      });
    }
  });

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
      const { socket } = await connect();
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
      const { socket } = await connect('polling');
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
          const { client, socket } = await connect(transport);
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
      const { client, socket } = await connect();
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

    it('goes on without the request that it began with', async () => {
      const { client, socket } = await connect();
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
      const { client, socket } = await connect();
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
      const [one, other] = [await connect(), await connect()];
      const got = [heard(one.client, 'message'), heard(other.client, 'message')];
      const frame = message(1);
      for (const { socket } of [one, other])
        new SocketSink(socket, socketIoEncoding, true).write(FrameChain.start().followedBy(frame));
      await until('both have it', () => got.every((all) => all.length === 1));
      expect(frame.wire).to.equal(frame.wire);
    });

    it('takes nothing after it was closed', async () => {
      const { socket } = await connect();
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
          const { client, socket } = await connect(transport);
          const reasons: string[] = [];
          client.on('disconnect', (reason) => reasons.push(reason));
          const back = new Promise<Socket>((resolve) => server.once('connection', resolve));
          endConnection(engineConnection(socket), code);
          await back;
          expect(reasons).to.have.length(1);
          expect(reasons[0]).to.match(/^transport (close|error)$/);
        });
      }
    }
  });
});
