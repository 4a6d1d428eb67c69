import { expect } from 'chai';
import { until } from '../support/wait.js';
import { type LogUnderTest, numbered, seqOf } from './log-under-test.js';

/** What a log keeps, and what it finds again. */
export function itKeeps(at: LogUnderTest): void {
  describe('last values', () => {
    it('are the newest of each key, ascending', async () => {
      await at.log.append('news', [
        { key: 'a', data: '1' },
        { key: 'b', data: '2' },
        { key: 'c', data: '3' },
      ]);
      const [moved] = await at.log.append('news', [{ key: 'a', data: '4' }]);

      const values = await at.log.lastValues('news');
      expect(values.map(({ seq, key, data }) => ({ seq, key, data }))).to.deep.equal([
        { seq: 2, key: 'b', data: '2' },
        { seq: 3, key: 'c', data: '3' },
        { seq: 4, key: 'a', data: '4' },
      ]);
      expect(moved).to.include({ time: values[2]!.time });
      expect(await at.log.lastValues('market')).to.deep.equal([]);
    });

    it('outlive the trimming of their messages', async () => {
      await at.openWith({ maxMessages: 100 });
      await at.log.append('news', [{ key: 'seldom', data: '"kept"' }]);
      for (let n = 0; n < 10; n++) await at.log.append('news', numbered(100, 'often'));

      expect((await at.log.check('news', 1)).own).to.equal(null);
      const values = await at.log.lastValues('news');
      expect(values.map(({ seq, key, data }) => ({ seq, key, data }))).to.deep.equal([
        { seq: 1, key: 'seldom', data: '"kept"' },
        { seq: 1001, key: 'often', data: '99' },
      ]);
    });
  });

  describe('retention', () => {
    it('keeps about as many messages as it should, and the newest of them', async () => {
      await at.openWith({ maxMessages: 200 });
      for (let n = 0; n < 20; n++) await at.log.append('news', numbered(100));

      const { top, first } = await at.log.check('news', 0);
      expect(top).to.equal(2000);
      expect(top - first + 1).to.be.within(200, 400);
      const kept = await at.log.range('news', 1, 2000, 5000);
      expect(kept.map(({ seq }) => seq)).to.deep.equal(
        Array.from({ length: 2000 - first + 1 }, (_, i) => first + i),
      );
    });

    it('forgets by age when the log is checked, but not the top', async () => {
      await at.openWith({ maxAgeMs: 20 });
      await at.log.append('news', numbered(1200, 'a'));
      await until('everything is too old', async () => (await at.log.check('news', 0)).first === 1201);

      expect(await at.log.check('news', 1200)).to.include({ top: 1200, first: 1201, own: null });
      expect(await at.log.range('news', 1, 1200, 10)).to.deep.equal([]);
      const [next] = await at.log.append('news', numbered(1));
      expect(seqOf(next)).to.equal(1201);
    });

    it('refuses a key beyond the most that the stream may have, and nothing else', async () => {
      await at.openWith({ maxKeys: 2 });
      const results = await at.log.append('news', [
        { key: 'a', data: '1' },
        { key: 'b', data: '2' },
        { key: 'c', data: '3' },
        { key: 'a', data: '4' },
        { key: 'd', data: '5' },
        { key: 'b', data: '6' },
      ]);

      expect(results.map(({ status }) => status)).to.deep.equal([
        'appended',
        'appended',
        'too_many_keys',
        'appended',
        'too_many_keys',
        'appended',
      ]);
      expect((await at.log.range('news', 1, 9, 10)).map(({ seq, data }) => [seq, data])).to.deep.equal([
        [1, '1'],
        [2, '2'],
        [3, '4'],
        [4, '6'],
      ]);
      await at.follower.has('news', 4);
      expect(at.follower.batches.flatMap(({ keys }) => keys)).to.deep.equal(['a', 'b', 'a', 'b']);
    });
  });

  describe('range', () => {
    it('gives what lies between its bounds, both included', async () => {
      await at.log.append('news', numbered(10));
      const seqs = async (from: number, to: number, limit = 100) =>
        (await at.log.range('news', from, to, limit)).map(({ seq }) => seq);

      expect(await seqs(3, 5)).to.deep.equal([3, 4, 5]);
      expect(await seqs(1, 1)).to.deep.equal([1]);
      expect(await seqs(9, 500)).to.deep.equal([9, 10]);
      expect(await seqs(11, 500)).to.deep.equal([]);
      expect(await seqs(5, 4)).to.deep.equal([]);
      expect(await seqs(0, 2)).to.deep.equal([1, 2]);
      expect(await seqs(1, 10, 4)).to.deep.equal([1, 2, 3, 4]);
    });

    it('is empty for a stream without messages', async () => {
      expect(await at.log.range('news', 1, 10, 10)).to.deep.equal([]);
    });

    it('begins with the first that is left where the others were trimmed', async () => {
      await at.openWith({ maxMessages: 100 });
      for (let n = 0; n < 10; n++) await at.log.append('news', numbered(100));
      const { first } = await at.log.check('news', 0);

      expect((await at.log.range('news', 1, 1000, 3)).map(({ seq }) => seq)).to.deep.equal([
        first,
        first + 1,
        first + 2,
      ]);
      expect(await at.log.range('news', 1, first - 1, 10)).to.deep.equal([]);
      expect((await at.log.range('news', first - 1, first, 10)).map(({ seq }) => seq)).to.deep.equal([first]);
    });
  });
}
