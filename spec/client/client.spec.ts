import { createServer, request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { ConnectOptions, Gap, HubMessage } from '@axiom-streaming/client';
import { connect, type HubClient } from '@axiom-streaming/client';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { SPEC_KEY } from '../support/credentials.js';
import { publish } from '../support/http.js';
import { until } from '../support/wait.js';

describe('The client library', () => {
  let app: RunningNode;
  let proxy: BlockingProxy;
  const clients: HubClient[] = [];

  const open = (options: ConnectOptions = {}) => {
    const client = connect({ url: app.url, token: SPEC_KEY, maxBackoffMs: 100, ...options });
    clients.push(client);
    return client;
  };

  before(async () => {
    app = await startTestApp();
    proxy = await BlockingProxy.start(app.port);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
    proxy.blocked = /^$/;
  });
  after(async () => {
    proxy.close();
    await app.stop();
  });

  it('can be imported by the name of the package', async () => {
    const name = '@axiom-streaming/client';
    expect(await import(name))
      .to.have.property('connect')
      .that.is.a('function');
  });

  it('gives messages as an async iterable, and ends it with the subscription', async () => {
    const subscription = open().subscribe('news:iterated');
    await subscription.ready;
    for (const n of [1, 2, 3]) await publish(app.url, 'news:iterated', n);
    const seen: unknown[] = [];
    for await (const { data } of subscription) {
      seen.push(data);
      if (seen.length === 3) break;
    }
    expect(seen).to.deep.equal([1, 2, 3]);
  });

  for (const transport of ['socketio', 'websocket', 'sse'] as const) {
    it(`reads as many topics over ${transport} as a connection may, however long their names are`, async () => {
      const client = open({ transport });
      const topics = Array.from({ length: 1000 }, (_, n) => `news:${String(n).padStart(128, transport)}`);
      const seen: unknown[] = [];
      await client.subscribe(topics, ({ data }) => seen.push(data)).ready;
      await publish(app.url, topics.at(-1)!, 'the last');
      await until('the message comes', () => seen.length === 1);
      expect(seen).to.deep.equal(['the last']);
    });
  }

  it('drops the oldest of a slow iterator at its bound, and tells the gap', async () => {
    const gaps: Gap[] = [];
    const client = open();
    const subscription = client.subscribe('news:slow', { maxQueued: 4, onGap: (gap) => gaps.push(gap) });
    await subscription.ready;
    for (const n of [0, 1, 2, 3, 4, 5]) await publish(app.url, 'news:slow', n);
    await until('the gap is told', () => gaps.length > 0);
    const seen: HubMessage[] = [];
    for await (const message of subscription) {
      seen.push(message);
      if (message.data === 5) break;
    }
    const [gap] = gaps;
    expect(gap).to.include({ stream: 'news', reason: 'reader_slow', recovered: false });
    expect(gap!.to! + 1, 'what is missing ends where the rest begins').to.equal(seen[0]!.seq);
  });

  it('gives each message once to each of two subscriptions to one topic', async () => {
    const client = open();
    const seen: string[] = [];
    const first = client.subscribe('news:twice', ({ data }) => seen.push(`first ${data}`));
    await first.ready;
    await publish(app.url, 'news:twice', 1);
    await until('it has come', () => seen.length === 1);
    const second = client.subscribe(['news:twice', 'news:*'], { rewind: 1 }, ({ data }) =>
      seen.push(`second ${data}`),
    );
    await second.ready;
    await publish(app.url, 'news:twice', 2);
    await until('all have come', () => seen.length >= 4);
    expect(seen.sort()).to.deep.equal(['first 1', 'first 2', 'second 1', 'second 2']);

    first.close();
    await publish(app.url, 'news:twice', 3);
    await until('the other goes on', () => seen.length === 5);
    expect(seen.at(-1)).to.equal('second 3');
  });

  it('rejects a subscription that the hub refuses, with its code and field, and goes on', async () => {
    const client = open();
    const refused = client.subscribe('nothing:here');
    const error = await refused.ready.catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: 'unknown_stream', field: 'topics[0]' });
    const thrown = await refused[Symbol.asyncIterator]()
      .next()
      .catch((reason: unknown) => reason);
    expect(thrown).to.equal(error);
    await client.subscribe('news:goes-on').ready;
  });

  describe('while there is no connection', () => {
    const refusalOf = (promise: Promise<unknown>) =>
      promise.then(
        () => 'none',
        (thrown: unknown) => thrown,
      );

    for (const transport of ['socketio', 'websocket', 'sse'] as const) {
      it(`publishes and reads history in the order of the README, over ${transport}`, async () => {
        const client = open({ transport });
        const seen: unknown[] = [];
        const subscription = client.subscribe(`news:first-${transport}`, ({ data }) => seen.push(data));
        const { seq } = await client.publish(`news:first-${transport}`, 'Hello');
        const { messages } = await client.history(`news:first-${transport}`);
        expect(messages.map((message) => [message.seq, message.data])).to.deep.equal([[seq, 'Hello']]);
        await subscription.ready;
      });
    }

    it('publishes in the order in which it was asked to, what a listener adds on connecting last', async () => {
      const client = open();
      let last: Promise<unknown> | undefined;
      client.on('status', ({ state }) => {
        if (state === 'connected') last ??= client.publish('news:order', 'on connecting');
      });
      await Promise.all(['a', 'b', 'c'].map((data) => client.publish('news:order', data)));
      await last;
      const { messages } = await client.history('news:order');
      expect(messages.map(({ data }) => data)).to.deep.equal(['a', 'b', 'c', 'on connecting']);
    });

    it('refuses what none is made for in time, and says why there is none', async () => {
      const client = open({ url: 'http://127.0.0.1:9', connectionWaitMs: 300 });
      expect(await refusalOf(client.publish('news:a', 1))).to.include({ code: 'unreachable' });
      expect(await refusalOf(client.history('news:a'))).to.include({ code: 'unreachable' });
    });

    it('holds a mebibyte for later, and refuses the rest at once', async () => {
      const client = open({ url: 'http://127.0.0.1:9', connectionWaitMs: 60_000 });
      const held = refusalOf(client.publish('news:a', 'x'.repeat(1_000_000)));
      expect(await refusalOf(client.publish('news:a', 'x'.repeat(100_000)))).to.include({
        code: 'overloaded',
      });
      client.close();
      expect(await held).to.include({ code: 'closed' });
      expect(await refusalOf(client.publish('news:a', 1))).to.include({ code: 'closed' });
    });

    it('is ready once it is connected, again after a loss, and never after its end', async () => {
      const client = open({ url: proxy.url, transport: 'websocket' });
      await client.ready;
      expect(client.status.state).to.equal('connected');
      await client.ready;

      proxy.blocked = /./;
      proxy.cut();
      await until(
        'it is away',
        () => client.status.state === 'connecting' || client.status.state === 'reconnecting',
      );
      let isReady = false;
      const again = client.ready.then(() => {
        isReady = true;
      });
      const { attempt } = client.status;
      await until('it has tried again', () => client.status.attempt > attempt);
      expect(isReady).to.equal(false);
      proxy.blocked = /^$/;
      await again;
      expect(client.status.state).to.match(/connected|recovering/);

      client.close();
      expect(await refusalOf(client.ready)).to.include({ code: 'closed' });
    });
  });

  it('continues from the cursor of another client, on another transport', async () => {
    const first = open({ transport: 'websocket' });
    const subscription = first.subscribe('news:moved', () => undefined);
    await subscription.ready;
    await publish(app.url, 'news:moved', 1);
    const before = subscription.cursor;
    await until('the cursor moves', () => subscription.cursor !== before);
    first.close();
    await publish(app.url, 'news:moved', 2);
    const seen: unknown[] = [];
    const second = open({ transport: 'sse' });
    await second.subscribe('news:moved', { since: subscription.cursor! }, ({ data }) => seen.push(data))
      .ready;
    await until('what was missed comes', () => seen.length > 0);
    expect(seen).to.deep.equal([2]);
  });

  for (const transport of ['socketio', 'websocket', 'sse'] as const) {
    it(`reports a gap for an invalid cursor over ${transport}, and starts as a new subscriber`, async () => {
      const gaps: Gap[] = [];
      const client = open({ transport });
      client.on('gap', (gap) => gaps.push(gap));
      await client.subscribe('news:bad', { since: '???' }, () => undefined).ready;
      expect(gaps).to.have.length(1);
      expect(gaps[0]).to.deep.include({ stream: 'news', topics: ['news:bad'], reason: 'bad_cursor' });
    });
  }

  for (const [blocked, transport] of [
    [/^\/socket\.io/, 'websocket'],
    [/^\/(socket\.io|ws)/, 'sse'],
  ] as const) {
    it(`falls back to ${transport} where ${blocked.source} is blocked`, async () => {
      proxy.blocked = blocked;
      const client = open({ url: proxy.url, connectTimeoutMs: 2_000 });
      const seen: unknown[] = [];
      await client.subscribe('news:blocked', ({ data }) => seen.push(data)).ready;
      expect(client.status).to.include({ state: 'connected', transport });
      await client.publish('news:blocked', transport);
      await until('it is back', () => seen.length > 0);
    });
  }

  it('sends its token where no log keeps it, over the transport that has no other place for it', async () => {
    proxy.seen.length = 0;
    const client = open({ url: proxy.url, transport: 'sse' });
    await client.subscribe('news:token').ready;
    expect(proxy.seen.some(({ token }) => token === `Bearer ${SPEC_KEY}`)).to.equal(true);
    expect(proxy.seen.filter(({ path }) => path.includes(SPEC_KEY))).to.deep.equal([]);
  });
});

/** Passes HTTP and upgrades on, but for paths that are blocked. */
class BlockingProxy {
  readonly url: string;
  readonly seen: { readonly path: string; readonly token: string | undefined }[] = [];
  blocked = /^$/;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(target: number): Promise<BlockingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new BlockingProxy(server);
    server.on('connection', (socket) => {
      proxy.#sockets.add(socket);
      socket.on('close', () => proxy.#sockets.delete(socket));
    });
    server.on('request', (incoming, outgoing) => {
      const { method, headers, url: path = '/' } = incoming;
      proxy.seen.push({ path, token: headers.authorization });
      if (proxy.blocked.test(path)) return outgoing.writeHead(403).end();
      const options = { host: '127.0.0.1', port: target, method, path, headers };
      const passed = request(options, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on('error', () => outgoing.destroy());
      outgoing.on('close', () => passed.destroy());
      return incoming.pipe(passed);
    });
    server.on('upgrade', (incoming, socket) => {
      const { headers, url: path = '/' } = incoming;
      if (proxy.blocked.test(path)) return socket.destroy();
      const passed = request({ host: '127.0.0.1', port: target, path, headers });
      passed.on('error', () => socket.destroy());
      passed.on('upgrade', (answer, upstream, head) => {
        const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
        socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
        socket.write(head);
        upstream.pipe(socket).pipe(upstream);
        socket.on('error', () => upstream.destroy());
        upstream.on('error', () => socket.destroy());
      });
      return passed.end();
    });
    return proxy;
  }

  /** Ends the connections that there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
