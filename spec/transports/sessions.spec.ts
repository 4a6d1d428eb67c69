import { expect } from 'chai';
import { RedisSessionStore } from '../../server/cluster/redis-sessions.js';
import type { RedisLink } from '../../server/redis/redis-link.js';
import {
  MemorySessionStore,
  type SessionStore,
  type StoredSession,
} from '../../server/transports/socketio/sessions.js';
import { OwnRedis } from '../log/own-redis.js';
import { until } from '../support/wait.js';

const session = (sid: string): StoredSession => ({
  sid,
  topics: ['market:AAPL', 'news:*'],
  cursor: 'market.k3x9Qa.1532~news.Zp81bd.77',
});

/** What every session store does. */
function itStoresSessions(open: (lastsMs: number) => SessionStore): void {
  it('returns what was saved, until it is removed', async () => {
    const store = open(60_000);
    await store.save('pid-one', session('sid-one'));
    await store.save('pid-two', session('sid-two'));
    expect(await store.load('pid-one')).to.deep.equal(session('sid-one'));
    expect(await store.load('pid-one'), 'a second time').to.deep.equal(session('sid-one'));
    await store.remove('pid-one');
    expect(await store.load('pid-one')).to.equal(null);
    expect(await store.load('pid-two')).to.deep.equal(session('sid-two'));
  });

  it('knows nothing of others', async () => {
    expect(await open(60_000).load('pid-none')).to.equal(null);
  });

  it('has the newest of what was saved for a client', async () => {
    const store = open(60_000);
    await store.save('pid-one', session('sid-one'));
    await store.save('pid-one', { ...session('sid-one'), topics: [] });
    expect((await store.load('pid-one'))?.topics).to.deep.equal([]);
  });

  it('forgets a session after its time', async () => {
    const store = open(20);
    await store.save('pid-one', session('sid-one'));
    await until('it is forgotten', async () => (await store.load('pid-one')) === null);
  });

  it('lets sessions last that are renewed, and takes no notice of those that are gone', async () => {
    const store = open(300);
    await store.save('pid-one', session('sid-one'));
    await store.save('pid-two', session('sid-two'));
    let rounds = 0;
    await until('the one that is not renewed is forgotten', async () => {
      rounds += 1;
      await store.renew(['pid-one', 'pid-none']);
      return (await store.load('pid-two')) === null;
    });
    expect(rounds).to.be.greaterThan(1);
    expect(await store.load('pid-one')).to.deep.equal(session('sid-one'));
    expect(await store.load('pid-none')).to.equal(null);
  });
}

describe('The sessions of a node alone', () => {
  itStoresSessions((lastsMs) => new MemorySessionStore(lastsMs));

  it('last exactly their time, counted from their last renewal', async () => {
    let now = 1_000;
    const store = new MemorySessionStore(100, () => now);
    await store.save('pid-one', session('one'));
    now += 60;
    await store.save('pid-two', session('two'));
    await store.renew(['pid-one']);
    now += 99;
    expect(await store.load('pid-one')).not.to.equal(null);
    expect(await store.load('pid-two')).not.to.equal(null);
    now += 1;
    expect(await store.load('pid-one')).to.equal(null);
    expect(await store.load('pid-two')).to.equal(null);
  });
});

describe('The sessions of a cluster', () => {
  let redis: OwnRedis;
  let link: RedisLink;

  before(async () => {
    redis = await OwnRedis.start();
  });

  after(() => redis?.stop());

  beforeEach(async () => {
    link = await redis.connect();
    await link.command(['FLUSHALL']);
  });

  afterEach(() => redis.disconnect());

  itStoresSessions((lastsMs) => new RedisSessionStore(link, lastsMs));

  it('can be taken up on every node', async () => {
    const other = new RedisSessionStore(await redis.connect(), 60_000);
    await new RedisSessionStore(link, 60_000).save('pid-one', session('one'));
    expect(await other.load('pid-one')).to.deep.equal(session('one'));
  });

  it('leave nothing in Redis that would not expire', async () => {
    const store = new RedisSessionStore(link, 60_000);
    await store.save('pid-one', session('one'));
    await store.renew(['pid-one']);
    const keys = (await link.command(['KEYS', '*'])) as string[];
    expect(keys).to.deep.equal(['{axiom:pid-one}:session']);
    expect(await link.command(['PTTL', keys[0]!])).to.be.within(55_000, 60_000);
  });

  it('are renewed by the thousand', async () => {
    const store = new RedisSessionStore(link, 60_000);
    const pids = Array.from({ length: 1_200 }, (_, i) => `pid-${i}`);
    await Promise.all(pids.map((pid) => store.save(pid, session(pid))));
    await link.command(['PEXPIRE', '{axiom:pid-1199}:session', '5000']);
    await store.renew(pids);
    expect(await link.command(['PTTL', '{axiom:pid-1199}:session'])).to.be.greaterThan(50_000);
  });

  it('are refused with a clear error when Redis is unreachable', async () => {
    const store = new RedisSessionStore(link, 60_000);
    await link.close();
    for (const call of [
      store.save('pid', session('x')),
      store.load('pid'),
      store.remove('pid'),
      store.renew(['pid']),
    ]) {
      const error = await call.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.include({ code: 'log_unavailable' });
    }
  });
});
