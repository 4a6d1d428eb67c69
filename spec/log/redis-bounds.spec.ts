import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import type { Retention } from '../../server/log/stream-log.js';
import type { RedisLink } from '../../server/redis/redis-link.js';
import { until } from '../support/wait.js';
import { Follower, inOneWindowOfIds, numbered, ROOMY } from './log-under-test.js';
import { emptyRedis } from './own-redis.js';
import { redisNode } from './redis-node.js';

describe('The stream log in Redis, within its bytes', () => {
  const redis = emptyRedis();

  const node = (retention: Partial<Retention>) =>
    redisNode(redis(), { ...ROOMY, ...retention }, new Follower());

  const MIB = 1024 * 1024;
  const used = async (link: RedisLink, keys = '{news}*') => {
    const names = (await link.command(['KEYS', keys])) as string[];
    const sizes = await Promise.all(
      names.map((key) => link.command(['MEMORY', 'USAGE', key, 'SAMPLES', '0'])),
    );
    return sizes.reduce<number>((sum, size) => sum + Number(size), 0);
  };

  for (const [size, batch] of [
    [10, 512],
    [300, 512],
    [5_000, 100],
    [60_000, 10],
  ] as const) {
    it(`takes about that much memory of Redis for messages of ${size} bytes, last values included`, async () => {
      const maxBytes = 4 * MIB;
      const { log, link } = await node({ maxBytes, maxKeys: 1_000_000 });
      const data = JSON.stringify('x'.repeat(size));
      let sent = 0;
      let key = 0;
      while (sent < 3 * maxBytes) {
        await log.append(
          'news',
          Array.from({ length: batch }, () => ({ key: `key-${key++ % 50_000}`, data, subject: 'alice' })),
        );
        sent += batch * (size + 64);
      }
      expect(await used(link)).to.be.within(0.5 * maxBytes, 1.25 * maxBytes);
      expect(Number(await link.command(['ZCARD', '{news}:marks']))).to.be.within(1, 300);
      const values = await log.lastValues('news');
      const counted = values.reduce(
        (sum, { key, data, seq }) => sum + key.length + data.length + `${seq}`.length + 15,
        0,
      );
      expect(Number(await link.command(['HGET', '{news}:meta', 'values']))).to.equal(
        counted + 160 * values.length,
      );
    });
  }

  it('bounds a log that an older version wrote, which counted nothing, bit by bit', async () => {
    const { log, link } = await node({ maxBytes: MIB });
    const time = String(Date.now());
    const data = JSON.stringify('x'.repeat(1_000));
    for (let seq = 1; seq <= 3_000; seq++) {
      void link.command(
        ['XADD', '{news}:log', `${seq}-0`, 't', time, 'k', `k${seq % 300}`, 'd', data],
        5_000,
      );
      void link.command(['HSET', '{news}:last', `k${seq % 300}`, `${seq} ${time} ${data}`], 5_000);
    }
    await link.command(['HSET', '{news}:meta', 'epoch', 'older', 'seq', '3000'], 5_000);

    expect((await log.append('news', numbered(1)))[0]).to.include({ seq: 3001, epoch: 'older' });
    expect((await log.check('news', 0)).first).to.equal(1);
    for (let n = 0; n < 20; n++) await log.append('news', numbered(100));
    const { first, top } = await log.check('news', 0);
    expect(first).to.be.within(2_000, 3_000);
    expect((await log.range('news', first, top, 5_000)).length).to.equal(top - first + 1);
    const values = () => link.command(['HGET', '{news}:meta', 'values']).then(Number);
    expect(await values()).to.be.within(300_000, 480_000);
  });

  it('counts its last values again where an older version wrote beside it', async () => {
    const { log, link } = await node({});
    await log.append('news', numbered(1));
    const time = String(Date.now());
    for (let n = 0; n < 400; n++) {
      void link.command(['HSET', '{news}:last', `old${n}`, `1 ${time} ${'x'.repeat(500)}`], 5_000);
    }
    await until('they are counted', async () => {
      await log.check('news', 0);
      return Number(await link.command(['HGET', '{news}:meta', 'values'])) > 400 * 600;
    });
  });

  it('keeps no account of a subject whose keys are gone, whatever sizes they had', async () => {
    const { log, link } = await node({});
    const owners = async () => (await link.command(['HGETALL', '{news}:owners'])) as string[];
    for (let n = 0; n < 20; n++) {
      const entries = Array.from({ length: 30 }, (_, i) => ({
        key: `k${i}`,
        data: JSON.stringify('x'.repeat((n * 137 + i * 61) % 1_500)),
        subject: i % 2 === 0 ? 'alice' : 'bob',
      }));
      await log.append('news', entries);
    }
    const values = await log.lastValues('news');
    const parts = values.reduce(
      (sum, { key, seq, data }) =>
        sum + Math.ceil((key.length + `${seq}`.length + 15 + data.length + 160) / 256),
      0,
    );
    const counted = (await owners()).flatMap((field, i, all) =>
      field.startsWith('%') ? [Number(all[i + 1])] : [],
    );
    expect(counted).to.have.length(2);
    expect(counted[0]! + counted[1]!).to.equal(parts);
    await log.append(
      'news',
      values.map(({ key }) => ({ key, data: TOMBSTONE })),
    );
    expect(await owners()).to.deep.equal([]);
  });

  it('takes about what it counts for an id', async () => {
    const { log, link } = await node({});
    const memory = async () =>
      Number(/used_memory:(\d+)/.exec(String(await link.command(['INFO', 'memory'])))![1]);
    await log.append('news', numbered(1));
    const before = await memory();
    for (let n = 0; n < 40; n++) {
      await log.append(
        'news',
        Array.from({ length: 500 }, (_, i) => ({ key: 'k', data: '1', id: `${n}-${i}`, subject: 'alice' })),
      );
    }
    const ofIds = (await memory()) - before - (await used(link, '{news}:[^i]*'));
    expect(ofIds).to.be.within(20_000 * 150, 20_000 * 260);
  });

  it('forgets how many ids there were when they have ended', async () => {
    await inOneWindowOfIds();
    const { log, link } = await node({ maxBytes: MIB });
    const publish = async (id: string) => {
      const [result] = await log.append('news', [{ key: 'k', data: '1', id, subject: 'alice' }]);
      return result!.status;
    };
    await publish('one');
    await link.command(['HSET', '{news}:ids', 'count', '1000000']);
    expect(await publish('two')).to.equal('ids_full');
    await link.command(['HINCRBY', '{news}:ids', 'window', '-1']);
    expect(await publish('two')).to.equal('ids_full');
    await link.command(['HINCRBY', '{news}:ids', 'window', '-1']);
    expect(await publish('two')).to.equal('appended');
    expect(await link.command(['HMGET', '{news}:ids', 'count', 'before'])).to.deep.equal(['1', '0']);
  });

  it('counts nothing where no last value is left, however wrong the count was before', async () => {
    const { log, link } = await node({ maxAgeMs: 1_000 });
    const values = () => link.command(['HGET', '{news}:meta', 'values']);
    await log.append('news', numbered(1));
    await link.command(['HINCRBY', '{news}:meta', 'values', '5000']);
    await log.append('news', [{ key: 'k', data: TOMBSTONE }]);
    expect(await values()).to.equal('0');

    await log.append('news', numbered(1));
    await link.command(['HINCRBY', '{news}:meta', 'values', '5000']);
    await until('it has ended', async () => {
      await log.check('news', 0);
      return (await log.lastValues('news')).length === 0;
    });
    expect(await values()).to.equal('0');
    expect(await log.check('news', 0)).not.to.have.property('lost');
  });

  it('looks through last values a slice at a time, and not at every check', async () => {
    const { log, link } = await node({ maxAgeMs: 1_000 });
    for (let n = 0; n < 3; n++) {
      await log.append(
        'news',
        Array.from({ length: 250 }, (_, i) => ({
          key: `k${n}-${i}`,
          data: JSON.stringify('x'.repeat(2_000)),
        })),
      );
    }
    await until('they are too old', async () => (await log.check('news', 0)).first === 751);
    const left = async () => Number(await link.command(['HLEN', '{news}:last']));
    let before = await left();
    await until('all have ended', async () => {
      await log.check('news', 0);
      await log.check('news', 0);
      const now = await left();
      expect(before - now, 'ended by one check').to.be.lessThan(400);
      before = now;
      return now === 0;
    });
    expect(await link.command(['HGET', '{news}:meta', 'values'])).to.equal('0');
  });
});
