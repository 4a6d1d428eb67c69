import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { HubError } from '../../server/errors.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { silentLogger } from '../../server/logger.js';
import { loadScript, RedisLink, type Script } from '../../server/redis/redis-link.js';
import { callsOf, OwnRedis } from '../log/own-redis.js';
import { patient, until } from '../support/wait.js';

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

interface AdapterClient {
  publish(channel: string, message: string | Buffer): void;
  pSubscribe(pattern: string, listener: (message: Buffer, channel: Buffer) => void): void;
  subscribe(channels: string[], listener: (message: Buffer, channel: Buffer) => void): void;
  unsubscribe(channel: string, listener: (message: Buffer, channel: Buffer) => void): void;
  sendCommand(args: string[]): Promise<unknown>;
}

describe('The connections to Redis', () => {
  let redis: OwnRedis;
  let link: RedisLink;
  let dir: string;
  let echo: Script;

  before(async () => {
    redis = await OwnRedis.start();
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-scripts-'));
    writeFileSync(join(dir, 'echo.lua'), '-- a comment\nreturn { KEYS[1], ARGV[1], 7, false }\n');
    writeFileSync(join(dir, 'slow.lua'), 'local n = 0\nwhile n < 1e8 do n = n + 1 end\nreturn n\n');
    echo = loadScript(pathToFileURL(join(dir, 'module.js')).href, 'echo.lua');
  });

  after(async () => {
    await redis?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  beforeEach(async () => {
    link = await redis.connect();
  });

  afterEach(() => redis.disconnect());

  describe('run', () => {
    it('gives the reply of a script, and sends its text only once', async () => {
      await link.command(['SCRIPT', 'FLUSH']);
      await link.command(['CONFIG', 'RESETSTAT']);
      for (let i = 0; i < 3; i++) {
        expect(await link.run(echo, ['key'], [`arg ${i}`])).to.deep.equal(['key', `arg ${i}`, 7, null]);
      }
      expect(await callsOf(link, 'eval')).to.equal(1);
      expect(await callsOf(link, 'evalsha')).to.equal(3);
    });

    it('knows a script by the digest that Redis gives it', async () => {
      expect(await link.command(['SCRIPT', 'LOAD', echo.source])).to.equal(echo.sha);
    });

    it('passes on what Redis itself refuses', async () => {
      const broken: Script = { source: 'return redis.call("NOSUCH")', sha: '0'.repeat(40) };
      const error = await rejection(link.run(broken, [], []));
      expect(error).to.be.instanceOf(Error).and.not.instanceOf(HubError);
      expect(String(error)).to.match(/Unknown Redis command/);
    });

    it('ends at its deadline', async () => {
      const slow = loadScript(pathToFileURL(join(dir, 'module.js')).href, 'slow.lua');
      const started = performance.now();
      const error = await rejection(link.run(slow, [], [], 20));
      expect(performance.now() - started).to.be.lessThan(800);
      expect(error).to.be.instanceOf(HubError);
      expect(error).to.include({ code: 'log_unavailable' });
      await until('Redis has ended it', async () => (await rejection(link.command(['PING']))) === undefined);
    });
  });

  describe('command', () => {
    it('gives the reply', async () => {
      expect(await link.command(['SET', 'a', 'ü 🚀'])).to.equal('OK');
      expect(await link.command(['GET', 'a'])).to.equal('ü 🚀');
      expect(await link.command(['GET', 'missing'])).to.equal(null);
      expect(await link.command(['STRLEN', 'a'])).to.equal(7);
    });

    it('passes on what Redis itself refuses', async () => {
      const error = await rejection(link.command(['HGET', 'a', 'b']));
      expect(error).not.to.be.instanceOf(HubError);
      expect(String(error)).to.match(/WRONGTYPE/);
    });
  });

  it('gives up within a few seconds if there is no Redis, or a silent one', async () => {
    const port = await freePorts(2);
    const mute = createServer();
    const accepted = new Set<Socket>();
    mute.on('connection', (socket) => {
      accepted.add(socket);
      socket.resume();
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => mute.listen(port, '127.0.0.1', resolve));
    try {
      const links = [port, port + 1].map(
        (each) => new RedisLink({ url: `redis://127.0.0.1:${each}`, logger: silentLogger }),
      );
      const started = performance.now();
      for (const error of await Promise.all(links.map((each) => rejection(each.connect())))) {
        expect(error).to.be.instanceOf(Error);
      }
      expect(performance.now() - started).to.be.lessThan(patient(7_000));
      expect(links.map(({ up }) => up)).to.deep.equal([false, false]);
      await until('nobody is connected', async () => [...accepted].every(({ destroyed }) => destroyed));
    } finally {
      for (const socket of accepted) socket.destroy();
      await new Promise((resolve) => mute.close(resolve));
    }
  });

  it('is not up, and answers at once, before it has connected', async () => {
    const idle = new RedisLink({ url: redis.url, logger: silentLogger });
    expect(idle).to.include({ up: false, commandsReady: false });
    expect(await rejection(idle.command(['PING']))).to.include({ code: 'log_unavailable' });
    await idle.close();
  });

  describe('for the adapter', () => {
    it('subscribes and publishes with buffers, on its two connections', async () => {
      const errors: unknown[] = [];
      const clients = link.forAdapter((error) => errors.push(error));
      const [pub, sub] = [clients.pubClient, clients.subClient] as [AdapterClient, AdapterClient];
      const got: string[] = [];
      const listener = (message: Buffer, channel: Buffer) => {
        expect(Buffer.isBuffer(message) && Buffer.isBuffer(channel)).to.equal(true);
        got.push(`${channel} ${message}`);
      };
      sub.pSubscribe('a#*', listener);
      sub.subscribe(['b', 'c'], listener);
      await link.subscriptionsLive();
      pub.publish('a#1', Buffer.from([0x31]));
      pub.publish('c', 'two');
      await until('both have come', () => got.length === 2);
      expect(got).to.have.members(['a#1 1', 'c two']);

      sub.unsubscribe('c', listener);
      await link.subscriptionsLive();
      pub.publish('c', 'three');
      pub.publish('b', 'four');
      await until('the next has come', () => got.length === 3);
      expect(got.at(-1)).to.equal('b four');
      expect(errors).to.deep.equal([]);
    });

    it('catches what fails: nobody awaits these calls', async () => {
      const errors: unknown[] = [];
      const clients = link.forAdapter((error) => errors.push(error));
      const pub = clients.pubClient as AdapterClient;
      await link.close();
      pub.publish('a', 'b');
      expect(await pub.sendCommand(['PUBSUB', 'NUMSUB', 'x'])).to.deep.equal(['', '1']);
      await until('both are reported', () => errors.length === 2);
    });
  });

  describe('when Redis is lost', () => {
    it('notices at once that it is stopped, and restores its subscriptions when it is back', async () => {
      const events: string[] = [];
      link.on('unsubscribed', () => events.push('unsubscribed'));
      link.on('subscribed', () => events.push('subscribed'));
      const sub = link.forAdapter(() => undefined).subClient as AdapterClient;
      const got: string[] = [];
      sub.pSubscribe('news#*', (message) => got.push(String(message)));
      await link.subscriptionsLive();
      expect(link.up).to.equal(true);

      await redis.process.stop('SIGKILL');
      await until('it has noticed', () => !link.up && events.length === 1, { withinMs: 1_500 });
      const started = performance.now();
      expect(await rejection(link.command(['PING']))).to.include({ code: 'log_unavailable' });
      expect(performance.now() - started).to.be.lessThan(800);

      await redis.process.start();
      await until('it is back', () => link.up && events.length === 2, { withinMs: 5_000 });
      expect(events).to.deep.equal(['unsubscribed', 'subscribed']);
      expect(link.reconnects).to.be.greaterThan(0);
      expect(await link.command(['PUBLISH', 'news#1', 'hello'])).to.equal(1);
      await until('the subscription is there again', () => got.length === 1);
    });

    it('notices within a few seconds that it hangs, and that it continues', async () => {
      const events: string[] = [];
      link.on('unsubscribed', () => events.push('unsubscribed'));
      link.on('subscribed', () => events.push('subscribed'));
      redis.process.signal('SIGSTOP');
      try {
        const started = performance.now();
        expect(await rejection(link.command(['PING']))).to.include({ code: 'log_unavailable' });
        expect(performance.now() - started).to.be.within(800, patient(1_000));
        await until('it has noticed', () => !link.up && events.length === 1, { withinMs: 5_000 });
        const refused = performance.now();
        await rejection(link.command(['PING']));
        expect(performance.now() - refused, 'then refuses at once').to.be.lessThan(800);
      } finally {
        redis.process.signal('SIGCONT');
      }
      await until('it is up again', () => link.up && events.length === 2, { withinMs: 5_000 });
      expect(events).to.deep.equal(['unsubscribed', 'subscribed']);
      expect(await link.command(['PING'])).to.equal('PONG');
    });
  });

  it('keeps nothing going when it is closed', async () => {
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    const before = sockets();
    const other = await redis.connect();
    expect(sockets()).to.equal(before + 2);
    await other.close();
    await until('its connections are gone', () => sockets() === before);
    expect(other.commandsReady).to.equal(false);
  });
});
