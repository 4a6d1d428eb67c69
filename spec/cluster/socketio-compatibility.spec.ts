import { Emitter } from '@socket.io/redis-emitter';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { silentLogger } from '../../server/logger.js';
import { RedisLink } from '../../server/redis/redis-link.js';
import { startTestCluster } from '../support/cluster.js';
import { publish } from '../support/http.js';
import { connectSocketIo, type SocketIoTestClient, subscribeSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';

describe('Ordinary Socket.IO beside the hub', () => {
  let cluster: LocalCluster;
  let link: RedisLink;
  const clients: SocketIoTestClient[] = [];

  before(async () => {
    cluster = await startTestCluster();
    link = new RedisLink({ url: cluster.redisUrl, logger: silentLogger });
    await link.connect();
  });

  after(async () => {
    for (const client of clients) client.close();
    await link?.close();
    await cluster?.stop();
  });

  it('reaches subscribers on every node through the room of their topic, by an emitter that knows no hub', async () => {
    const received: string[] = [];
    for (const { url } of cluster.nodes) {
      const client = await subscribeSocketIo({ url }, { topics: ['market:AAPL'] });
      client.socket.on('halted', (symbol: string) => received.push(symbol));
      clients.push(client);
    }
    const { pubClient } = link.forAdapter((error) => expect.fail(String(error)));
    const emitter = new Emitter(pubClient);
    emitter.to('market:AAPL').emit('halted', 'AAPL');
    emitter.to('market:MSFT').emit('halted', 'MSFT');
    emitter.to('market:AAPL').emit('halted', 'again');
    await until('each has both', () => received.length === 6, { instead: () => received });
    expect(received.filter((symbol) => symbol === 'AAPL')).to.have.length(3);
    expect(received).not.to.include('MSFT');
  });

  it('does not reach those who have unsubscribed', async () => {
    const [first] = clients;
    expect((await first!.request('unsubscribe', { topics: ['market:AAPL'] })).ok).to.equal(true);
    let reached = 0;
    for (const { socket } of clients) socket.on('resumed', () => (reached += 1));
    const { pubClient } = link.forAdapter((error) => expect.fail(String(error)));
    new Emitter(pubClient).to('market:AAPL').emit('resumed', 'AAPL');
    await until('the other two have it', () => reached === 2);
    expect((await publish(cluster.url, 'market:AAPL', 1)).status).to.equal(201);
    await until('the message arrives', () => clients[1]!.seen.data('market:AAPL').includes(1));
    expect(first!.seen.messages).to.deep.equal([]);
  });

  for (const [what, ...event] of [
    ['ends in a string', 'notice', { level: 1 }, 'maintenance at 5'],
    ['has no arguments', 'notice'],
  ] as const) {
    it(`leaves a client its way back, though an event of an emitter ${what}`, async () => {
      const client = await subscribeSocketIo(
        { url: cluster.url, keepsCursor: false },
        { topics: ['news:way'] },
      );
      clients.push(client);
      let notices = 0;
      client.socket.on('notice', () => (notices += 1));
      const { pubClient } = link.forAdapter((error) => expect.fail(String(error)));
      const positions = client.seen.positions.length;
      const [name, ...args] = event as readonly [string, ...unknown[]];
      new Emitter(pubClient).to('news:way').emit(name, ...args);
      await until('it has come', () => notices === 1);
      await until('its cursor behind it', () => client.seen.positions.length > positions);
      client.cut();
      await publish(cluster.url, 'news:way', what);
      await until('what was missed has come', () => client.seen.data().includes(what), {
        instead: () => client.events,
      });
      expect(client.recovered).to.deep.equal([false, true]);
    });
  }

  it('survives malformed payloads on the adapter’s channels', async () => {
    const [client] = [await subscribeSocketIo({ url: cluster.nodes[0]!.url }, { topics: ['news:*'] })];
    clients.push(client);
    const rubbish = [
      Buffer.from([0x96, 0xa3, 0x68, 0x75, 0x62, 0xc0, 0xff]),
      Buffer.from([0xc1]),
      Buffer.from('{"a":'),
    ];
    const { pubClient } = link.forAdapter((error) => expect.fail(String(error))) as {
      pubClient: { publish(channel: string, message: Buffer): void };
    };
    for (const bytes of rubbish) {
      for (const channel of [
        'socket.io#/#news#',
        'socket.io#/#news:*#',
        'socket.io-request#/#',
        'socket.io-response#/#',
      ]) {
        pubClient.publish(channel, bytes);
      }
    }
    pubClient.publish('socket.io-request#/#', Buffer.from('{"type":5,"opts":{"rooms":1}}'));
    for (let n = 0; n < 10; n++)
      expect((await publish(cluster.nodes[1]!.url, 'news:a', n)).status).to.equal(201);
    await until('every message arrives', () => client.seen.messages.length === 10);
    expect(client.seen.data()).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('upgrades from polling, and delivers in order before, during and after the upgrade', async () => {
    const client = await connectSocketIo({ url: cluster.url, transports: ['polling', 'websocket'] });
    clients.push(client);
    expect((await client.request('subscribe', { topics: ['signals:*'] })).ok).to.equal(true);
    for (let n = 0; n < 200; n++) await publish(cluster.nodes[n % 3]!.url, 'signals:upgrade', n);
    await until('all have arrived', () => client.seen.messages.length === 200);
    expect(client.seen.data()).to.deep.equal(Array.from({ length: 200 }, (_, n) => n));
    expect(client.socket.io.engine.transport.name).to.equal('websocket');
  });
});
