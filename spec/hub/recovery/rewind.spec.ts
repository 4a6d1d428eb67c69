import { expect } from 'chai';
import { FREE } from '../../../server/hub/access.js';
import { Toll } from '../../../server/hub/recovery/toll.js';
import { STREAMS, TestHub } from '../support.js';

describe('A rewind', () => {
  let test: TestHub;

  afterEach(() => test.stop());

  const back = async (keys: string[], count: number, barrier?: number) => {
    const { tail } = test.hub.stream('news');
    const found = await test.hub.recovery.rewind(
      tail,
      { keys: new Set(keys), count, barrier: barrier ?? tail.last },
      Toll.strict(FREE),
    );
    return found.map(({ seq }) => seq);
  };

  describe('within the window', () => {
    beforeEach(async () => {
      test = await TestHub.start();
      // a: 1 3 5 7 9, b: 2 4 6 8 10
      await test.publishMany(10, 'news:a', 'news:b');
      test.log.calls.length = 0;
    });

    afterEach(() => {
      expect(test.log.countOf('range')).to.equal(0);
    });

    it('gives the newest messages of a key, ascending', async () => {
      expect(await back(['a'], 2)).to.deep.equal([7, 9]);
      expect(await back(['b'], 1)).to.deep.equal([10]);
      expect(await back(['a'], 50)).to.deep.equal([1, 3, 5, 7, 9]);
    });

    it('gives as many of each key as were asked for', async () => {
      await test.publishMany(2, 'news:a');
      expect(await back(['a', 'b'], 2)).to.deep.equal([8, 10, 11, 12]);
    });

    it('gives the newest of the whole stream', async () => {
      expect(await back(['*'], 3)).to.deep.equal([8, 9, 10]);
    });

    it('gives a message once that both the stream and its key ask for', async () => {
      await test.publishMany(3, 'news:b');
      expect(await back(['*', 'a'], 2)).to.deep.equal([7, 9, 12, 13]);
    });

    it('looks at nothing after the barrier', async () => {
      expect(await back(['a', 'b'], 1, 6)).to.deep.equal([5, 6]);
      expect(await back(['a'], 1, 0)).to.deep.equal([]);
    });

    it('finds nothing for a key that never had a message', async () => {
      expect(await back(['unheard'], 5)).to.deep.equal([]);
      expect(await back(['unheard', 'b'], 1)).to.deep.equal([10]);
    });
  });

  describe('beyond the window', () => {
    it('reads the log, page by page, until it has enough', async () => {
      test = await TestHub.start({ limits: { windowBytes: 2_000 } });
      await test.publishMany(1, 'news:seldom');
      await test.publishMany(1_200, 'news:a');
      await test.publishMany(1, 'news:seldom');
      test.log.calls.length = 0;

      expect(await back(['unheard'], 5)).to.deep.equal([]);
      expect(test.log.countOf('range')).to.equal(0);
      expect(await back(['a'], 100)).to.deep.equal(Array.from({ length: 100 }, (_, i) => 1_102 + i));
      expect(test.log.countOf('range')).to.equal(1);
      expect(await back(['seldom'], 2)).to.deep.equal([1, 1_202]);
      expect(test.log.countOf('range')).to.equal(3);
    });

    it('returns what is left if the log was trimmed', async () => {
      test = await TestHub.start({
        streams: STREAMS.map((stream) => ({ ...stream, maxMessages: 100 })),
        limits: { windowBytes: 2_000 },
      });
      await test.publishMany(1, 'news:a');
      for (let n = 0; n < 4; n++) await test.publishMany(50, 'news:b');
      await test.publishMany(1, 'news:a');
      const { first, top } = await test.log.check('news', 0);

      expect(await back(['a'], 2)).to.deep.equal([top]);
      expect(await back(['*'], 5_000)).to.deep.equal(
        Array.from({ length: top - first + 1 }, (_, i) => first + i),
      );
    });

    it('does not look further than it may for a key that speaks seldom', async () => {
      const one = { key: 'seldom', data: '0' };
      test = await TestHub.start({
        limits: { windowBytes: 2_000 },
        before: async (log) => {
          await log.append('news', [one]);
          await log.append(
            'news',
            Array.from({ length: 51_000 }, () => ({ key: 'a', data: '0' })),
          );
          await log.append('news', [one]);
        },
      });
      expect(await back(['seldom'], 2)).to.deep.equal([51_002]);
      expect(test.log.countOf('range')).to.be.within(97, 99);
    });
  });
});
