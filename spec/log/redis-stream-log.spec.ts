import { createAdapter } from '@socket.io/redis-adapter';
import { expect } from 'chai';
import notepack from 'notepack.io';
import { Server } from 'socket.io';
import { Adapter } from 'socket.io-adapter';
import { HubError } from '../../server/errors.js';
import { isHubPayload } from '../../server/log/payload.js';
import type { LogListener, Retention } from '../../server/log/stream-log.js';
import { patient, until } from '../support/wait.js';
import { Follower, numbered, ROOMY, rejection, seqOf } from './log-under-test.js';
import { callsOf, emptyRedis } from './own-redis.js';
import { channelOf, redisNode } from './redis-node.js';
import { itIsAStreamLog } from './stream-log.contract.js';

describe('The stream log in Redis', () => {
  const redis = emptyRedis();

  const node = (retention: Retention, listener: LogListener) => redisNode(redis(), retention, listener);

  itIsAStreamLog(async (retention, listener) => (await node(retention, listener)).log);

  it('commits the appends of one turn with one script call and one announcement', async () => {
    const follower = new Follower();
    const { log, link } = await node(ROOMY, follower);
    await log.append('news', numbered(1));
    await link.command(['CONFIG', 'RESETSTAT']);

    const results = await Promise.all(Array.from({ length: 200 }, () => log.append('news', numbered(2))));

    expect(results.flat().map(seqOf)).to.deep.equal(Array.from({ length: 400 }, (_, i) => i + 2));
    expect(await callsOf(link, 'evalsha')).to.equal(1);
    expect(await callsOf(link, 'publish')).to.equal(1);
    await follower.has('news', 401);
    expect(follower.batches.map(({ keys }) => keys.length)).to.deep.equal([1, 400]);
  });

  it('splits what is too much for one script call, but never the entries of an append', async () => {
    const follower = new Follower();
    const { log, link } = await node(ROOMY, follower);
    await log.append('news', numbered(1));
    await link.command(['CONFIG', 'RESETSTAT']);

    await Promise.all(Array.from({ length: 4 }, () => log.append('news', numbered(300))));

    expect(await callsOf(link, 'evalsha')).to.equal(4);
    await follower.has('news', 1201);
    expect(follower.batches.map(({ keys }) => keys.length)).to.deep.equal([1, 300, 300, 300, 300]);
  });

  it('announces to every node in one order, whoever appended', async () => {
    const followers = [new Follower(), new Follower()];
    const nodes = [await node(ROOMY, followers[0]!), await node(ROOMY, followers[1]!)];
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        await nodes[n % 2]!.log.append('news', [{ key: `k${n}`, data: String(n) }]);
      }),
    );
    for (const follower of followers) await follower.has('news', 100);

    const seen = followers.map(({ batches }) => batches.flatMap(({ data }) => data));
    expect(followers[0]!.seqs('news')).to.deep.equal(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(followers[1]!.seqs('news')).to.deep.equal(followers[0]!.seqs('news'));
    expect(seen[1]).to.deep.equal(seen[0]);
  });

  it('keeps the keys of a stream under one hash tag, and ids only for their five minutes', async () => {
    const { log, link } = await node(ROOMY, new Follower());
    await log.append('news', [{ key: 'k', data: '1', id: 'one' }]);

    const keys = (await link.command(['KEYS', '*'])) as string[];
    const [id, ids, ...others] = keys.sort();
    expect(id).to.match(/^\{news\}:id:[\w-]{27}$/);
    expect([ids, ...others]).to.deep.equal(['{news}:ids', '{news}:last', '{news}:log', '{news}:meta']);
    expect(await link.command(['PTTL', id!])).to.be.within(290_000, 300_000);
    expect(await link.command(['PTTL', ids!])).to.be.within(590_000, 600_000);
    expect(await link.command(['PTTL', '{news}:log'])).to.equal(-1);
  });

  it('forgets by age up to the first message that is young enough, over many slices', async () => {
    const { log, link } = await node({ ...ROOMY, maxAgeMs: 60_000 }, new Follower());
    await log.append('news', numbered(1));
    const { epoch } = await log.check('news', 0);
    await link.command(['DEL', '{news}:log']);
    const now = Date.now();
    for (let seq = 1; seq <= 1205; seq++) {
      const time = String(seq <= 1200 ? now - 120_000 : now);
      void link.command(['XADD', '{news}:log', `${seq}-0`, 't', time, 'k', 'k', 'd', String(seq)], 5_000);
    }
    await link.command(['HSET', '{news}:meta', 'seq', '1205'], 5_000);

    expect(await log.check('news', 1201)).to.deep.include({
      epoch,
      top: 1205,
      first: 1201,
      own: { seq: 1201, time: now, key: 'k', data: '1201' },
    });
    expect(await link.command(['XLEN', '{news}:log'])).to.equal(5);
  });

  it('begins a new epoch at seq 1 when Redis has been emptied, and drops the rest of the old one', async () => {
    const { log, link } = await node(ROOMY, new Follower());
    const [before] = await log.append('news', numbered(3));
    await link.command(['FLUSHALL']);
    expect(await log.check('news', 3)).to.include({ epoch: null, top: 0, first: 1, own: null });
    const [after] = await log.append('news', numbered(1));

    expect(after).to.include({ seq: 1 });
    expect(after)
      .to.have.property('epoch')
      .that.is.not.equal((before as { epoch: string }).epoch);

    await log.append('news', numbered(1, 'other'));
    await link.command(['DEL', '{news}:meta']);
    const [third] = await log.append('news', numbered(1));
    expect(third).to.include({ seq: 1 });
    expect(await log.range('news', 1, 10, 10)).to.have.length(1);
    expect((await log.lastValues('news')).map(({ key }) => key)).to.deep.equal(['k']);
  });

  it('loads its scripts again into a Redis that has forgotten them', async () => {
    const { log, link } = await node(ROOMY, new Follower());
    await log.append('news', numbered(1));
    await link.command(['SCRIPT', 'FLUSH']);
    const [result] = await log.append('news', numbered(1));

    expect(seqOf(result)).to.equal(2);
    expect((await log.check('news', 2)).own).to.include({ seq: 2 });
  });

  it('refuses an append when more waits for Redis than a node may hold, and takes it later', async () => {
    const { log } = await node({ ...ROOMY, maxMessages: 1 }, new Follower());
    const large = { key: 'k', data: 'x'.repeat(33 * 1024 * 1024) };
    const first = log.append('news', [large]);
    const second = await rejection(log.append('market', [large]));

    expect(second).to.be.instanceOf(HubError);
    expect(second).to.include({ code: 'overloaded' });
    await rejection(first);
    // Until Redis has dealt with the large message; with an id, since an attempt that times out may be committed.
    let seq = 0;
    await until('the next append is taken', () =>
      log.append('market', [{ key: 'k', data: '1', id: 'next' }]).then(
        ([result]) => {
          seq = seqOf(result);
          return true;
        },
        () => false,
      ),
    );
    expect(seq).to.equal(1);
  });

  describe('what it publishes on the channel of the adapter', () => {
    it('is told from other payloads by its first bytes, and ignored by a stock adapter whose room it names', async () => {
      const { log, payloads } = await node(ROOMY, new Follower());
      await log.append('news', [{ key: 'k', data: '{"a":1}' }, ...numbered(20)]);
      await until('the payload has come', () => payloads.length === 1);

      const client = {
        pSubscribe: () => undefined,
        subscribe: () => undefined,
        publish: () => undefined,
        on: () => undefined,
        listenerCount: () => 2,
      };
      const io = new Server({ adapter: createAdapter(client, client) });
      const adapter = io.of('/').adapter as Adapter & {
        onmessage(pattern: unknown, channel: Buffer, payload: Buffer): void;
      };
      const broadcasts: unknown[] = [];
      const emitted: unknown[] = [];
      const broadcast = Adapter.prototype.broadcast;
      Adapter.prototype.broadcast = (packet: unknown) => void broadcasts.push(packet);
      try {
        adapter.addAll('some-socket', new Set(['news']));
        adapter.onmessage(null, Buffer.from(channelOf('news')), payloads[0]!);
        expect(broadcasts).to.deep.equal([]);

        // The same adapter does take what an emitter sends: the room was the right one.
        const packet = notepack.encode([
          'emitter',
          { type: 2, data: ['hello'], nsp: '/' },
          { rooms: ['news'], except: [], flags: {} },
        ]);
        emitted.push(isHubPayload(packet));
        adapter.onmessage(null, Buffer.from(channelOf('news')), packet);
        expect(broadcasts).to.have.length(1);
      } finally {
        Adapter.prototype.broadcast = broadcast;
      }
      expect(isHubPayload(payloads[0]!)).to.equal(true);
      expect(emitted).to.deep.equal([false]);
    });

    it('is refused if it is damaged or of an unknown stream', async () => {
      const { log, payloads } = await node(ROOMY, new Follower());
      await log.append('news', numbered(2));
      await until('the payload has come', () => payloads.length === 1);
      const payload = payloads[0]!;

      expect(() => log.receive('news', payload.subarray(0, payload.length - 3))).to.throw();
      const damaged = [
        ['hub', null, 7, 1, 1_763_900_000_000, ['k', '1']],
        ['hub', null, 'epoch', '1', 1_763_900_000_000, ['k', '1']],
        ['hub', null, 'epoch', 1.5, 1_763_900_000_000, ['k', '1']],
        ['hub', null, 'epoch', 1, null, ['k', '1']],
        ['hub', null, 'epoch', 1, 1_763_900_000_000, ['k', '1', 'k']],
        ['hub', null, 'epoch', 1, 1_763_900_000_000, 'k1'],
      ];
      for (const parts of damaged) {
        const bytes = notepack.encode(parts);
        expect(isHubPayload(bytes), JSON.stringify(parts)).to.equal(true);
        expect(() => log.receive('news', bytes), JSON.stringify(parts)).to.throw(/damaged/);
      }
      expect(() => log.receive('sport', payload)).to.throw(HubError);
    });
  });

  describe('without an answer from Redis', () => {
    it('fails an append at once when Redis is stopped, tells its follower, and works again afterwards', async () => {
      const follower = new Follower();
      const { log } = await node(ROOMY, follower);
      await log.append('news', numbered(2));
      await follower.has('news', 2);
      await redis().process.stop('SIGKILL');
      await until('the log knows', () => !log.available);

      const started = performance.now();
      const error = await rejection(log.append('news', numbered(1)));
      // Long before the deadline of 900 ms.
      expect(performance.now() - started).to.be.lessThan(800);
      expect(error).to.be.instanceOf(HubError);
      expect(error).to.include({ code: 'log_unavailable' });
      expect(await rejection(log.check('news', 0))).to.include({ code: 'log_unavailable' });
      await until('the follower is told', () => follower.interruptions === 1);

      await redis().process.start();
      await until('the log is back', () => log.available && follower.resumptions === 2);
      const [result] = await log.append('news', numbered(1));
      expect(seqOf(result)).to.equal(1);
      await follower.has('news', 3);
      expect(follower.seqs('news')).to.deep.equal([1, 2, 1]);
    });

    it('fails an append within a second when Redis hangs, and works again afterwards', async () => {
      const { log } = await node(ROOMY, new Follower());
      await log.append('news', numbered(1));
      redis().process.signal('SIGSTOP');
      try {
        const started = performance.now();
        const error = await rejection(log.append('news', [{ key: 'k', data: '1', id: 'one' }]));
        expect(performance.now() - started).to.be.lessThan(patient(1_000));
        expect(error).to.be.instanceOf(HubError);
        expect(error).to.include({ code: 'log_unavailable' });
      } finally {
        redis().process.signal('SIGCONT');
      }
      // It was unknown whether Redis took it; the same id finds out.
      await until('appends are taken again', async () => {
        const [result] = await log.append('news', [{ key: 'k', data: '1', id: 'one' }]).catch(() => []);
        return result?.status === 'duplicate';
      });
      expect((await log.check('news', 0)).top).to.equal(2);
    });
  });
});
