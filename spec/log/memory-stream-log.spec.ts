import { expect } from 'chai';
import { MemoryStreamLog } from '../../server/log/memory-stream-log.js';
import { IDEMPOTENCY_MS, type StreamLog } from '../../server/log/stream-log.js';
import { CONTRACT_STREAMS, Follower, numbered, ROOMY, seqOf } from './log-under-test.js';
import { itIsAStreamLog } from './stream-log.contract.js';

describe('The stream log in memory', () => {
  const open: StreamLog[] = [];

  afterEach(async () => {
    for (const log of open.splice(0)) await log.close();
  });

  itIsAStreamLog(async (retention, listener) => {
    const log = new MemoryStreamLog({
      streams: new Map(CONTRACT_STREAMS.map((name) => [name, retention])),
    });
    log.follow(listener);
    open.push(log);
    return log;
  });

  describe('by its own clock', () => {
    let now: number;

    const logWith = (retention: Partial<typeof ROOMY>) =>
      new MemoryStreamLog({ streams: new Map([['news', { ...ROOMY, ...retention }]]), now: () => now });

    beforeEach(() => {
      now = 1_763_900_000_000;
    });

    it('stamps messages', async () => {
      const log = logWith({});
      const [first] = await log.append('news', numbered(1));
      now += 1234;
      const [second] = await log.append('news', numbered(1));
      expect([first, second]).to.have.deep.nested.property('[0].time', 1_763_900_000_000);
      expect(second).to.include({ time: 1_763_900_001_234 });
    });

    it('keeps messages of exactly the maximum age, and forgets older ones', async () => {
      const log = logWith({ maxAgeMs: 1000 });
      await log.append('news', numbered(2));
      now += 600;
      await log.append('news', numbered(2));
      now += 400;
      expect(await log.check('news', 1)).to.deep.include({ first: 1, top: 4 });
      now += 1;
      expect(await log.check('news', 1)).to.deep.include({ first: 3, top: 4, own: null });
      expect((await log.check('news', 3)).own).to.include({ seq: 3 });
    });

    it('takes no further ids while those that it remembers take the bytes of the stream, and then again', async () => {
      const log = logWith({ maxBytes: 1_048_576 });
      const publish = async (id?: string) =>
        (await log.append('news', [{ key: 'k', data: '1', ...(id === undefined ? {} : { id }) }]))[0]!.status;
      let taken = 0;
      while ((await publish(`${taken}`)) === 'appended') taken += 1;
      expect(taken).to.be.within(2_000, 10_000);
      expect([await publish(`${taken}`), await publish('0'), await publish()]).to.deep.equal([
        'ids_full',
        'duplicate',
        'appended',
      ]);
      now += IDEMPOTENCY_MS;
      expect(await publish(`${taken}`)).to.equal('appended');
    });

    it('ends last values a slice at a time', async () => {
      const log = logWith({ maxAgeMs: 1_000 });
      await log.append(
        'news',
        Array.from({ length: 9_000 }, (_, i) => ({ key: `k${i}`, data: '1' })),
      );
      now += 1_001;
      const left = [];
      for (let n = 0; n < 7; n++) {
        await log.check('news', 0);
        left.push((await log.lastValues('news')).length);
      }
      expect(left[0]).to.be.within(1, 8_999);
      expect(left.at(-1)).to.equal(0);
    });

    it('remembers an id for five minutes', async () => {
      const log = logWith({});
      const [first] = await log.append('news', [{ key: 'k', data: '1', id: 'one' }]);
      now += IDEMPOTENCY_MS - 1;
      const [repeat] = await log.append('news', [{ key: 'k', data: '1', id: 'one' }]);
      now += 1;
      const [later] = await log.append('news', [{ key: 'k', data: '1', id: 'one' }]);

      expect(IDEMPOTENCY_MS).to.equal(300_000);
      expect(repeat).to.deep.equal({ ...first, status: 'duplicate' });
      expect(later).to.include({ status: 'appended', seq: 2 });
    });
  });

  it('answers an append before it announces it, so that nobody comes to depend on the contrary', async () => {
    const log = new MemoryStreamLog({ streams: new Map([['news', ROOMY]]) });
    const follower = new Follower();
    log.follow(follower);
    const [result] = await log.append('news', numbered(1));

    expect(seqOf(result)).to.equal(1);
    expect(follower.batches).to.deep.equal([]);
    await follower.has('news', 1);
    await log.close();
  });
});
