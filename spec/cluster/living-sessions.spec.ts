/** Sessions of unmodified Socket.IO clients, while Redis has troubles and while somebody else has their id. */
import { createClient } from '@redis/client';
import { expect } from 'chai';
import { io } from 'socket.io-client';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { SECRET, token } from '../auth/support.js';
import { nodeNamed, startTestCluster } from '../support/cluster.js';
import { call, publish } from '../support/http.js';
import { type SocketIoTestClient, subscribeSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';

/** The shortest that can be configured: with it, a session lasts 4/3 s. */
const SESSION_MS = 1_000;

describe('The session of a living Socket.IO connection', () => {
  let cluster: LocalCluster;
  let headers: Record<string, string>;
  const clients: SocketIoTestClient[] = [];

  async function start(sessionMs: number): Promise<void> {
    cluster = await startTestCluster({
      redisArgs: ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'],
      env: { JWT_SECRET: SECRET, PUBLISH_KEY: '', SESSION_MS: String(sessionMs) },
    });
    headers = { Authorization: `Bearer ${await token({ sub: 'publisher', publish: ['news:*'] })}` };
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await cluster?.stop();
  });

  async function reader(options: { sub?: string } = {}): Promise<SocketIoTestClient> {
    const text = await token({ sub: 'alice', ...options });
    const client = await subscribeSocketIo(
      { url: cluster.url, token: text, keepsCursor: false },
      { topics: ['news:*'] },
    );
    clients.push(client);
    return client;
  }

  const pidOf = ({ socket }: SocketIoTestClient) => (socket as unknown as { readonly _pid: string })._pid;

  /** What Redis has, past the nodes. */
  async function inRedis<T>(
    ask: (redis: { sendCommand(args: string[]): Promise<unknown> }) => Promise<T>,
  ): Promise<T> {
    const redis = createClient({ url: cluster.redisUrl });
    await redis.connect();
    try {
      return await ask(redis);
    } finally {
      redis.destroy();
    }
  }
  const hasSession = (pid: string) =>
    inRedis(async (redis) => (await redis.sendCommand(['EXISTS', `{axiom:${pid}}:session`])) === 1);

  /** Publishes once the log takes it. */
  async function published(data: unknown, url = cluster.url): Promise<void> {
    await until('it is published', async () => (await publish(url, 'news:a', data, headers)).status === 201);
  }

  /** Kills the client's node while something is published, and expects that nothing of it is lost. */
  async function survivesKill(client: SocketIoTestClient): Promise<void> {
    const killed = nodeNamed(cluster, client.node);
    const survivor = cluster.nodes.find(({ name }) => name !== killed.name)!;
    const before = client.seen.nodes.length;
    await killed.process.stop('SIGKILL');
    await published('while it is away', survivor.url);
    await until('it is on another node', () => client.seen.nodes.length > before);
    expect(client.recovered.at(-1), 'recovered').to.equal(true);
    await until('it has what it missed', () => client.seen.data().includes('while it is away'));
  }

  it('is there again after Redis was away for longer than it lasts', async () => {
    await start(SESSION_MS);
    const client = await reader();
    await published('before');
    await until('it has come', () => client.seen.data().includes('before'));
    await cluster.redis!.stop('SIGKILL');
    const from = performance.now();
    await until('its time is over', () => performance.now() - from > 3 * SESSION_MS);
    await cluster.redis!.start();
    await published('after');
    await until('the connection has gone on', () => client.seen.data().includes('after'));
    await until('it is there', () => hasSession(pidOf(client)));
    await survivesKill(client);
    expect(client.seen.gaps).to.deep.equal([]);
  });

  it('is there again, long before its renewal is due, when Redis has come back empty', async () => {
    await start(600_000);
    const client = await reader();
    await published('before');
    await until('it has come', () => client.seen.data().includes('before'));
    await inRedis((redis) => redis.sendCommand(['FLUSHALL']));
    await published('after');
    await until('it is told', () => client.seen.gaps.length > 0);
    await until('it is there', () => hasSession(pidOf(client)));
    await published('with a position in the new log');
    await until('it has come', () => client.seen.data().includes('with a position in the new log'));
    await survivesKill(client);
  });

  it('is written when Redis is back, for a subscription that was made while Redis did not answer', async () => {
    await start(600_000);
    const client = await reader();
    const pid = pidOf(client);
    const webSocket = await WebSocketTestClient.connect({
      url: cluster.url,
      token: await token({ sub: 'alice' }),
    });
    // A node that has noticed lets both wait.
    await until('both are taken', async () => {
      cluster.redis!.signal('SIGSTOP');
      const acks = await Promise.all(
        [client, webSocket].map((each) => each.request('subscribe', { topics: ['market:*'] })),
      );
      cluster.redis!.signal('SIGCONT');
      expect(acks[0]!.ok, 'alike over both transports').to.equal(acks[1]!.ok);
      return acks.every(({ ok }) => ok);
    });
    webSocket.close();
    await until('the session has it', () =>
      inRedis(async (redis) => {
        const text = await redis.sendCommand(['HGET', `{axiom:${pid}}:session`, 'session']);
        return String(text).includes('"market":["*"]');
      }),
    );
  });

  it('has one owner, the newest of those who took it up: an older one may say goodbye late', async () => {
    await start(600_000);
    const first = await reader();
    await published('one');
    await until('it has a cursor', () => first.seen.data().includes('one'));
    const pid = pidOf(first);
    const { id } = first.socket;
    // One that has gone, as far as its client is concerned, does not come back.
    first.socket.io.reconnection(false);
    const text = await token({ sub: 'alice' });
    /** The same client, come back on a node while nobody has noticed that it had gone. */
    const again = async (node: number) => {
      const socket = io(cluster.nodes[node]!.url, {
        transports: ['websocket'],
        forceNew: true,
        reconnection: false,
        auth: { token: text, pid, offset: first.seen.cursor },
      });
      await new Promise<void>((resolve) => socket.once('welcome', () => resolve()));
      return socket;
    };
    const second = await again(1);
    const third = await again(2);
    try {
      expect([second.id, third.id], 'the id of the session').to.deep.equal([id, id]);
      const owner = await ownerOf(pid);
      second.disconnect();
      first.socket.disconnect();
      // Whatever they have said arrives: the nodes have no connection of theirs any more.
      await until('they have gone', async () => (await connections()) === 1);
      expect(await ownerOf(pid)).to.equal(owner);
      const fourth = await again(0);
      expect(fourth.id).to.equal(id);
      fourth.disconnect();
      await until('a goodbye of the owner is heard', async () => !(await hasSession(pid)));
    } finally {
      second.disconnect();
      third.disconnect();
    }
  });

  const connections = async () => {
    const admin = await token({ sub: 'root', admin: true });
    const { body } = await call<{ connections: unknown[] }>(
      'GET',
      `${cluster.url}/api/connections`,
      undefined,
      { Authorization: `Bearer ${admin}` },
    );
    return body.connections.length;
  };
  const ownerOf = (pid: string) =>
    inRedis((redis) => redis.sendCommand(['HGET', `{axiom:${pid}}:session`, 'owner']));

  it('is not to be had with a bad token, nor with one of another subject, and its owner goes on', async () => {
    await start(600_000);
    const owner = await reader();
    await published('one');
    await until('it has a cursor', () => owner.seen.data().includes('one'));
    const session = { pid: pidOf(owner), offset: owner.seen.cursor };
    const node = nodeNamed(cluster, owner.node);
    const heard: string[] = [];
    for (const [name, bad] of [
      ['bad', 'nonsense'],
      ['other', await token({ sub: 'mallory' })],
      ['none', null],
    ] as const) {
      const thief = io(node.url, {
        transports: ['websocket'],
        forceNew: true,
        reconnection: false,
        auth: { token: bad, ...session },
      });
      const outcome = await new Promise<string>((resolve) => {
        thief.on('connect_error', (error: Error & { data?: { code: string } }) =>
          resolve(error.data?.code ?? error.message),
        );
        thief.on('welcome', (info: { recovered: boolean; reason: string }) =>
          resolve(`${thief.recovered} ${info.recovered} ${info.reason}`),
        );
      });
      heard.push(`${name}: ${outcome}`);
      thief.disconnect();
    }
    expect(heard).to.deep.equal([
      'bad: token_invalid',
      'other: false false denied',
      'none: false false denied',
    ]);
    await published('two');
    await until('the owner has it', () => owner.seen.data().includes('two'));
    expect(owner.seen.losses).to.equal(0);
    await survivesKill(owner);
  });
});
