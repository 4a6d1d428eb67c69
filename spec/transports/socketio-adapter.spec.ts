import { createAdapter, RedisAdapter } from '@socket.io/redis-adapter';
import { expect } from 'chai';
import notepack from 'notepack.io';
import { Server, type Socket } from 'socket.io';
import { Adapter, type Session } from 'socket.io-adapter';
import { engineConnection } from '../../server/transports/socketio/engine-connection.js';
import { streamChannel } from '../../server/transports/socketio/hub-adapter.js';
import { until } from '../support/wait.js';
import { BareSocketIo, heard } from './bare-socketio.js';

describe('What the hub relies on in Socket.IO', () => {
  let bare: BareSocketIo;

  async function start(options: { redis: boolean }): Promise<void> {
    bare = await BareSocketIo.start(options);
  }

  afterEach(() => bare.stop());

  describe('the Redis adapter', () => {
    beforeEach(() => start({ redis: true }));

    it('has the hooks that are overridden', () => {
      const stock = new Server({ adapter: createAdapter(bare.clients.pubClient, bare.clients.subClient) }).of(
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
      expect([...bare.clients.listeners.keys()]).to.include('socket.io#/#*');
      expect(streamChannel('market')).to.equal('socket.io#/#market#');
      expect(bare.server.of('/').adapter).to.be.instanceOf(RedisAdapter);
    });

    it('hands the payloads of the hub on, with the name of their stream', () => {
      bare.clients.arrive(streamChannel('market'), Buffer.from('H…'));
      expect(bare.hooks.received).to.deep.equal([{ stream: 'market', payload: Buffer.from('H…') }]);
      expect(bare.hooks.malformations).to.deep.equal([]);
    });

    it('throws at nobody, whatever arrives', async () => {
      bare.clients.arrive(streamChannel('market'), Buffer.from('H broken'));
      // An array where the packet should be, no options, no msgpack at all.
      await bare.connect();
      await bare.connect();
      for (const socket of bare.server.sockets.sockets.values()) void socket.join('market');
      bare.clients.arrive(
        streamChannel('market'),
        notepack.encode(['uid', { type: 2, data: ['x'], nsp: '/' }]),
      );
      bare.clients.arrive(streamChannel('market'), Buffer.from([0xc1]));
      expect(bare.hooks.malformations).to.have.length(3);
      bare.clients.arrive(streamChannel('market'), Buffer.from('H fine'));
      expect(bare.hooks.received).to.have.length(2);
    });

    it('catches what fails in a request of another node', async () => {
      const request = bare.clients.listeners.get('socket.io-request#/#');
      request?.(notepack.encode({ type: 5, requestId: 'x' }), Buffer.from('socket.io-request#/#'));
      await until('it is reported', () => bare.hooks.malformations.length === 1);
    });

    it('still carries ordinary broadcasts from other nodes', async () => {
      const { client, socket } = await bare.connect();
      void socket.join('lobby');
      const got = heard(client, 'hello');
      const packet = notepack.encode([
        'another',
        { type: 2, data: ['hello', 1], nsp: '/' },
        { rooms: ['lobby'], except: [], flags: {} },
      ]);
      bare.clients.arrive(streamChannel('lobby'), packet);
      await until('it has come', () => got.length === 1);
      expect(got[0]![0]).to.equal(1);
    });

    it('keeps what is for one socket of this node on this node', async () => {
      const { client, socket } = await bare.connect();
      const got = heard(client, 'one');
      socket.emit('one', 1);
      bare.server.to(socket.id).emit('one', 2);
      await until('both have come', () => got.length === 2);
      expect(bare.clients.published).to.deep.equal([]);
    });

    it('publishes what is for a room, or for a socket of another node', async () => {
      const { socket } = await bare.connect();
      void socket.join('lobby');
      bare.server.to('lobby').emit('all', 1);
      bare.server.to('socket-elsewhere').emit('one', 1);
      bare.server.emit('everybody', 1);
      expect(bare.clients.published.map(({ channel }) => channel)).to.deep.equal([
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
          const { client, socket } = await bare.connect();
          const { pid } = socket as unknown as { pid: string };
          expect(pid).to.match(/^[A-Za-z0-9_-]{8,64}$/);
          expect((client as unknown as { _pid: string })._pid).to.equal(pid);
        });

        it('asks for the session with the private id and the last string that any event brought', async () => {
          const { client, socket } = await bare.connect();
          const { pid } = socket as unknown as { pid: string };
          const got = heard(client, 'message');
          socket.emit('message', { seq: 1 }, 'news.abc.1');
          socket.emit('gap', { stream: 'news' });
          await until('it has come', () => got.length === 1);
          engineConnection(socket).close(true);
          await until('the session is asked for', () => bare.hooks.asked.length === 1);
          expect(bare.hooks.asked[0]!.pid).to.equal(pid);
          expect(bare.hooks.asked[0]!.offset).to.be.a('string').and.equal('news.abc.1');
        });

        it('takes the session that it is given: id, rooms, data', async () => {
          const { client, socket } = await bare.connect();
          const { pid } = socket as unknown as { pid: string };
          const got = heard(client, 'position');
          socket.emit('position', 'news.abc.7');
          await until('the client has a cursor', () => got.length === 1);
          bare.hooks.session = {
            sid: socket.id,
            pid: pid as Session['pid'],
            rooms: ['news:a'],
            data: { resumption: 'yes' },
            missedPackets: [],
          };
          const back = new Promise<Socket>((resolve) => bare.server.once('connection', resolve));
          engineConnection(socket).close(true);
          const again = await back;
          expect(again.recovered).to.equal(true);
          expect(again.id).to.equal(socket.id);
          expect([...again.rooms]).to.have.members([socket.id, 'news:a']);
          expect(again.data).to.deep.equal({ resumption: 'yes' });
          expect((again as unknown as { pid: string }).pid).to.equal(pid);
          await until('the client knows', () => client.connected && client.recovered);
        });

        it('starts over without a session, and lets the client say who it was', async () => {
          const { client, socket } = await bare.connect();
          const { pid } = socket as unknown as { pid: string };
          const got = heard(client, 'position');
          socket.emit('position', '-');
          await until('the client has a cursor', () => got.length === 1);
          const back = new Promise<Socket>((resolve) => bare.server.once('connection', resolve));
          engineConnection(socket).close(true);
          const again = await back;
          expect(again.recovered).to.equal(false);
          expect(again.id).not.to.equal(socket.id);
          expect(again.handshake.auth).to.deep.equal({ pid, offset: '-' });
        });
      });
    }
  });
});
