import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import { until } from '../support/wait.js';
import { type LogUnderTest, numbered, seqOf } from './log-under-test.js';

/** What a log forgets when it is told to. */
export function itDeletes(at: LogUnderTest): void {
  const statuses = async (entries: Parameters<typeof at.log.append>[1]) =>
    (await at.log.append('news', entries)).map(({ status }) => status);

  describe('a tombstone', () => {
    it('is appended and announced like a message, and its key has no last value', async () => {
      await at.log.append('news', [
        { key: 'a', data: '1' },
        { key: 'b', data: '2' },
      ]);
      const [deleted] = await at.log.append('news', [{ key: 'a', data: TOMBSTONE }]);

      expect(deleted).to.include({ status: 'appended', seq: 3 });
      expect((await at.log.lastValues('news')).map(({ key }) => key)).to.deep.equal(['b']);
      expect((await at.log.range('news', 1, 9, 9)).map(({ key, data }) => [key, data])).to.deep.equal([
        ['a', '1'],
        ['b', '2'],
        ['a', TOMBSTONE],
      ]);
      expect(await at.log.check('news', 0)).to.include({ top: 3, tombstone: 3 });
      await at.follower.has('news', 3);
      expect(at.follower.batches.at(-1)).to.deep.include({ keys: ['a'], data: [TOMBSTONE] });
    });

    it('is refused where its key has no value, and appends nothing', async () => {
      await at.log.append('news', [{ key: 'a', data: '1' }]);
      const gone = { key: 'a', data: TOMBSTONE };
      expect(await statuses([{ key: 'b', data: TOMBSTONE }, gone, gone])).to.deep.equal([
        'unknown_key',
        'appended',
        'unknown_key',
      ]);
      expect((await at.log.check('news', 0)).top).to.equal(2);
    });

    it('makes room for another key', async () => {
      await at.openWith({ maxKeys: 1 });
      expect(
        await statuses([
          { key: 'a', data: '1' },
          { key: 'b', data: '2' },
          { key: 'a', data: TOMBSTONE },
          { key: 'b', data: '2' },
        ]),
      ).to.deep.equal(['appended', 'too_many_keys', 'appended', 'appended']);
    });
  });

  describe('clear', () => {
    it('deletes messages and last values, and begins a new epoch that is announced', async () => {
      await at.log.append('news', [...numbered(3), { key: 'other', data: '1' }]);
      await at.log.append('market', numbered(1));
      await at.follower.has('news', 4);
      const before = await at.log.check('news', 0);

      const cleared = await at.log.clear('news');

      expect(cleared.keys).to.equal(2);
      expect(cleared.epoch).not.to.equal(before.epoch);
      expect(await at.log.check('news', 0)).to.deep.include({ epoch: cleared.epoch, top: 4, first: 5 });
      expect(await at.log.range('news', 1, 9, 9)).to.deep.equal([]);
      expect(await at.log.lastValues('news')).to.deep.equal([]);
      expect(await at.log.lastValues('market')).to.have.length(1);
      await until('it is announced', () => at.follower.batches.some(({ epoch }) => epoch === cleared.epoch));
      expect(at.follower.batches.at(-1)).to.deep.include({ stream: 'news', first: 5, keys: [] });
      const [next] = await at.log.append('news', numbered(1));
      expect(next).to.include({ epoch: cleared.epoch });
      expect(seqOf(next)).to.equal(5);
    });

    it('changes nothing where there is nothing', async () => {
      await at.log.append('news', numbered(1));
      const { epoch } = await at.log.clear('news');
      expect(await at.log.clear('news')).to.deep.equal({ epoch, keys: 0 });
    });

    it('leaves the positions of sources, so that none of them is read again or skipped', async () => {
      const origin = (position: string) => ({ source: 'table', position });
      await at.log.append('news', [{ key: 'a', data: '1', origin: origin('0005') }]);
      await at.log.clear('news');
      expect(
        await statuses([
          { key: 'a', data: '1', origin: origin('0005') },
          { key: 'a', data: '2', origin: origin('0006') },
        ]),
      ).to.deep.equal(['passed', 'appended']);
    });
  });
}
