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
  subject: undefined,
});

/** The session as its owner takes it up. */
const seen = (store: SessionStore, pid: string) => store.take(pid, 'me', undefined);
/** By a clock that is never set, as the stores have one. */
const passed = (ms: number) => {
  const from = performance.now();
  return until('the time has passed', () => performance.now() - from > ms);
};
const owned = (...pids: string[]) => pids.map((pid) => ({ pid, owner: 'me' }));

/** What every session store does. */
function itStoresSessions(open: (lastsMs: number) => SessionStore): void {
  it('returns what was saved, until it is removed', async () => {
    const store = open(60_000);
    await store.save('pid-one', 'me', session('sid-one'));
    await store.save('pid-two', 'me', session('sid-two'));
    expect(await seen(store, 'pid-one')).to.deep.equal(session('sid-one'));
    expect(await seen(store, 'pid-one'), 'a second time').to.deep.equal(session('sid-one'));
    await store.remove('pid-one', 'me');
    expect(await seen(store, 'pid-one')).to.equal(null);
    expect(await seen(store, 'pid-two')).to.deep.equal(session('sid-two'));
  });

  it('knows nothing of others', async () => {
    expect(await seen(open(60_000), 'pid-none')).to.equal(null);
  });

  it('has the newest of what was saved for a client', async () => {
    const store = open(60_000);
    await store.save('pid-one', 'me', session('sid-one'));
    await store.save('pid-one', 'me', { ...session('sid-one'), topics: [] });
    expect(await seen(store, 'pid-one')).to.deep.include({ topics: [] });
  });

  it('forgets a session after its time', async () => {
    const store = open(20);
    await store.save('pid-one', 'me', session('sid-one'));
    await passed(40);
    expect(await seen(store, 'pid-one')).to.equal(null);
  });

  it('hears one owner of a session, the newest', async () => {
    const store = open(60_000);
    await store.save('pid-one', 'first', session('sid-one'));
    await store.take('pid-one', 'second', undefined);
    await store.take('pid-one', 'third', undefined);
    for (const older of ['first', 'second']) {
      expect(await store.save('pid-one', older, { ...session('sid-one'), topics: [] })).to.equal('taken');
      expect(await store.renew([{ pid: 'pid-one', owner: older }])).to.deep.equal(['taken']);
      await store.remove('pid-one', older);
    }
    expect(await store.renew([{ pid: 'pid-one', owner: 'third' }])).to.deep.equal(['kept']);
    expect(await store.take('pid-one', 'fourth', undefined)).to.deep.equal(session('sid-one'));
  });

  it('gives a session of a subject to nobody else, and leaves it alone', async () => {
    const store = open(60_000);
    const hers = { ...session('sid-one'), subject: 'alice' };
    await store.save('pid-one', 'hers', hers);
    expect(await store.take('pid-one', 'his', 'mallory')).to.equal('denied');
    expect(await store.take('pid-one', 'his', undefined)).to.equal('denied');
    expect(await store.renew([{ pid: 'pid-one', owner: 'hers' }])).to.deep.equal(['kept']);
    expect(await store.take('pid-one', 'hers too', 'alice')).to.deep.equal(hers);
  });

  it('gives a session of nobody to somebody, who has a token now', async () => {
    const store = open(60_000);
    await store.save('pid-one', 'nobody', session('sid-one'));
    expect(await store.take('pid-one', 'alice', 'alice')).to.deep.equal(session('sid-one'));
  });

  it('says which sessions are missing, and takes them again', async () => {
    const store = open(60_000);
    await store.save('pid-one', 'me', session('sid-one'));
    expect(await store.renew(owned('pid-none', 'pid-one'))).to.deep.equal(['missing', 'kept']);
    expect(await store.save('pid-none', 'me', session('sid-none'))).to.equal('kept');
    expect(await seen(store, 'pid-none')).to.deep.equal(session('sid-none'));
  });

  it('lets sessions last that are renewed, and takes no notice of those that are gone', async () => {
    const store = open(400);
    await store.save('pid-one', 'me', session('sid-one'));
    await store.save('pid-two', 'me', session('sid-two'));
    const from = performance.now();
    await until('the one that is not renewed has had its time', async () => {
      await store.renew(owned('pid-one', 'pid-none'));
      return performance.now() - from > 500;
    });
    expect(await seen(store, 'pid-one')).to.deep.equal(session('sid-one'));
    expect(await seen(store, 'pid-two')).to.equal(null);
    expect(await seen(store, 'pid-none')).to.equal(null);
  });
}

describe('The sessions of a node alone', () => {
  itStoresSessions((lastsMs) => new MemorySessionStore(lastsMs));

  it('last exactly their time, counted from their last renewal', async () => {
    let now = 1_000;
    const store = new MemorySessionStore(100, () => now);
    await store.save('pid-one', 'me', session('one'));
    now += 60;
    await store.save('pid-two', 'me', session('two'));
    await store.renew(owned('pid-one'));
    now += 99;
    expect(await store.renew(owned('pid-none'))).to.deep.equal(['missing']);
    now += 1;
    expect(await store.renew(owned('pid-one', 'pid-two'))).to.deep.equal(['missing', 'missing']);
  });

  it('last though the clock of the machine is set forward', async () => {
    const store = new MemorySessionStore(60_000);
    await store.save('pid-one', 'me', session('one'));
    const { now } = Date;
    try {
      Date.now = () => now() + 3_600_000;
      expect(await seen(store, 'pid-one')).to.deep.equal(session('one'));
    } finally {
      Date.now = now;
    }
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
    await new RedisSessionStore(link, 60_000).save('pid-one', 'me', session('one'));
    expect(await seen(other, 'pid-one')).to.deep.equal(session('one'));
  });

  it('leave nothing in Redis that would not expire', async () => {
    const store = new RedisSessionStore(link, 60_000);
    await store.save('pid-one', 'me', session('one'));
    await store.renew(owned('pid-one'));
    const keys = (await link.command(['KEYS', '*'])) as string[];
    expect(keys).to.deep.equal(['{axiom:pid-one}:session']);
    expect(await link.command(['PTTL', keys[0]!])).to.be.within(55_000, 60_000);
  });

  it('are renewed by the thousand', async () => {
    const store = new RedisSessionStore(link, 60_000);
    const pids = Array.from({ length: 1_200 }, (_, i) => `pid-${i}`);
    await Promise.all(pids.map((pid) => store.save(pid, 'me', session(pid))));
    await link.command(['PEXPIRE', '{axiom:pid-1199}:session', '5000']);
    await store.renew(owned(...pids));
    expect(await link.command(['PTTL', '{axiom:pid-1199}:session'])).to.be.greaterThan(50_000);
  });

  it('are refused with a clear error when Redis is unreachable', async () => {
    const store = new RedisSessionStore(link, 60_000);
    await link.close();
    for (const call of [
      store.save('pid', 'me', session('x')),
      store.take('pid', 'me', undefined),
      store.remove('pid', 'me'),
      store.renew(owned('pid')),
    ]) {
      const error = await call.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.include({ code: 'log_unavailable' });
    }
  });
});
