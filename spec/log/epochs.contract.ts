import { expect } from 'chai';
import type { AppendResult } from '../../server/log/stream-log.js';
import { type LogUnderTest, numbered } from './log-under-test.js';

/** How a log is checked, and begins another life. */
export function itHasEpochs(at: LogUnderTest): void {
  describe('check', () => {
    it('of a log that never had a message knows no epoch', async () => {
      expect(await at.log.check('news', 0)).to.include({ epoch: null, top: 0, first: 1, own: null });
      expect(await at.log.check('news', 5)).to.include({ epoch: null, top: 0, first: 1, own: null });
    });

    it('tells epoch, top, first, and the message under the seq that was asked for', async () => {
      const results = await at.log.append('news', numbered(3));
      const [{ epoch, time }] = results as [Extract<AppendResult, { seq: number }>];

      expect(epoch).to.match(/^[A-Za-z0-9]{1,16}$/);
      expect(await at.log.check('news', 2)).to.deep.include({
        epoch,
        top: 3,
        first: 1,
        own: { seq: 2, time, key: 'k', data: '1' },
      });
      expect((await at.log.check('news', 0)).own).to.equal(null);
      expect((await at.log.check('news', 4)).own).to.equal(null);
    });
  });

  describe('rotate', () => {
    it('changes the epoch once, however many expect the same', async () => {
      await at.log.append('news', numbered(2));
      const { epoch } = await at.log.check('news', 0);
      const epochs = await Promise.all(Array.from({ length: 5 }, () => at.log.rotate('news', epoch)));

      expect(new Set(epochs).size).to.equal(1);
      expect(epochs[0]).not.to.equal(epoch);
      expect(await at.log.check('news', 0)).to.include({ epoch: epochs[0], top: 2 });
    });

    it('does not touch an epoch that is not the expected one', async () => {
      await at.log.append('news', numbered(1));
      const { epoch } = await at.log.check('news', 0);

      expect(await at.log.rotate('news', 'older')).to.equal(epoch);
      expect(await at.log.rotate('news', null)).to.equal(epoch);
      expect((await at.log.check('news', 0)).epoch).to.equal(epoch);
    });

    it('gives an empty log its first epoch, which its messages then carry', async () => {
      const epochs = await Promise.all([at.log.rotate('news', null), at.log.rotate('news', null)]);
      expect(epochs[1]).to.equal(epochs[0]);
      const [result] = await at.log.append('news', numbered(1));

      expect(result).to.include({ seq: 1, epoch: epochs[0] });
    });

    it('continues seqs in the new epoch', async () => {
      await at.log.append('news', numbered(2));
      const epoch = await at.log.rotate('news', (await at.log.check('news', 0)).epoch);
      const [result] = await at.log.append('news', numbered(1));

      expect(result).to.include({ seq: 3, epoch });
      await at.follower.has('news', 3);
      expect(at.follower.batches.at(-1)).to.include({ first: 3, epoch });
    });
  });
}
