import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import type { AppendEntry, AppendResult } from '../../server/log/stream-log.js';
import { until } from '../support/wait.js';
import { inOneWindowOfIds, type LogUnderTest, numbered } from './log-under-test.js';

const MIB = 1024 * 1024;

/** An entry with this many bytes of data. */
const large = (key: string, bytes: number, subject?: string): AppendEntry => ({
  key,
  data: JSON.stringify('x'.repeat(bytes - 2)),
  subject,
});
const statuses = (results: readonly AppendResult[]) => results.map(({ status }) => status);
const countOf = (results: readonly AppendResult[], wanted: string) =>
  results.filter(({ status }) => status === wanted).length;
const keysOf = (subject: string | undefined, count: number, prefix = 'k'): AppendEntry[] =>
  Array.from({ length: count }, (_, i) => ({ key: `${prefix}${i}`, data: '1', subject }));

/** That a stream stays within its bounds, and that nobody takes all of it. */
export function itIsBounded(at: LogUnderTest): void {
  describe('the bytes of a stream', () => {
    const stored = async () => at.log.range('news', 1, 1_000_000, 100_000);
    const bytesIn = (entries: readonly AppendEntry[]) =>
      entries.reduce((sum, { key, data }) => sum + key.length + data.length, 0);

    it('are bounded: the oldest messages go, and what is left has no hole', async () => {
      await at.openWith({ maxBytes: MIB });
      for (let n = 0; n < 40; n++) {
        await at.log.append(
          'news',
          Array.from({ length: 10 }, () => large('k', 8_000)),
        );
      }
      const { top, first } = await at.log.check('news', 0);
      const kept = await stored();
      expect(top).to.equal(400);
      expect(bytesIn(kept)).to.be.within(0.7 * MIB, 1.15 * MIB);
      expect(kept.map(({ seq }) => seq)).to.deep.equal(
        Array.from({ length: top - first + 1 }, (_, i) => first + i),
      );
    });

    it('count what the log adds to small messages', async () => {
      await at.openWith({ maxBytes: MIB });
      for (let n = 0; n < 60; n++) await at.log.append('news', numbered(500));
      const { top, first } = await at.log.check('news', 0);
      expect(top).to.equal(30_000);
      expect(top - first + 1).to.be.within(1_000, 18_000);
    });

    it('keep the newest message, however large it is', async () => {
      await at.openWith({ maxBytes: MIB });
      await at.log.append('news', numbered(10));
      await at.log.append('news', [large('k', 400_000), large('k', 450_000)]);
      await at.log.append('news', [large('k', 450_000)]);
      const { top, first, own } = await at.log.check('news', 13);
      expect({ top, first: first > 10 && first <= 13, key: own?.key }).to.deep.equal({
        top: 13,
        first: true,
        key: 'k',
      });
    });

    it('leave to last values at most a half, which others cannot grow, and refuse nothing that fits', async () => {
      await at.openWith({ maxBytes: MIB });
      const results: AppendResult[] = [];
      for (let n = 0; n < 20; n++) results.push(...(await at.log.append('news', [large(`k${n}`, 50_000)])));
      const values = await at.log.lastValues('news');
      expect(bytesIn(values)).to.be.within(0.4 * MIB, 0.5 * MIB);
      expect(new Set(statuses(results))).to.deep.equal(new Set(['appended', 'values_full']));

      expect(
        statuses(
          await at.log.append('news', [
            large('k0', 50_000),
            large('k1', 10_000),
            large('k2', 200_000),
            large('k1', 20_000),
          ]),
        ),
      ).to.deep.equal(['appended', 'appended', 'values_full', 'appended']);
      for (let n = 0; n < 30; n++) await at.log.append('news', [large('k0', 50_000)]);
      expect(bytesIn(await stored()) + bytesIn(await at.log.lastValues('news'))).to.be.lessThan(1.15 * MIB);
    });
  });

  describe('last values, by age', () => {
    it('end with their messages when the log is checked, and say up to which seq', async () => {
      await at.openWith({ maxAgeMs: 20 });
      await at.log.append('news', [...numbered(3, 'a'), ...numbered(2, 'b')]);
      await until('they have ended', async () => {
        await at.log.check('news', 0);
        return (await at.log.lastValues('news')).length === 0;
      });
      expect(await at.log.check('news', 0)).to.include({ top: 5, first: 6, ended: 5 });
    });

    it('outlive messages that busy neighbours pushed out', async () => {
      await at.openWith({ maxBytes: MIB });
      await at.log.append('news', numbered(1, 'quiet'));
      for (let n = 0; n < 30; n++) await at.log.append('news', [large('busy', 100_000)]);
      const { own, oldest, ended } = await at.log.check('news', 1);
      expect({ own, ended }).to.deep.equal({ own: null, ended: 0 });
      expect(oldest).to.be.closeTo(Date.now() - 3_600_000, 600_000);
      expect((await at.log.lastValues('news')).map(({ key }) => key)).to.deep.equal(['quiet', 'busy']);
    });

    it('make room for further keys, without a check', async () => {
      await at.openWith({ maxKeys: 3, maxAgeMs: 1_500 });
      const results = await at.log.append('news', [
        ...numbered(1, 'a'),
        ...numbered(1, 'b'),
        ...numbered(1, 'c'),
      ]);
      expect(statuses([...results, ...(await at.log.append('news', numbered(1, 'd')))])).to.deep.equal([
        'appended',
        'appended',
        'appended',
        'too_many_keys',
      ]);
      await until('a further key is taken', async () => {
        const [result] = await at.log.append('news', numbered(1, 'd'));
        return result!.status === 'appended';
      });
      expect((await at.log.lastValues('news')).map(({ key }) => key))
        .to.include('d')
        .and.not.include('a');
    });
  });

  describe('the keys that one subject created', () => {
    it('are nine tenths of all at most, so that others have some, and it may go on with its own', async () => {
      await at.openWith({ maxKeys: 20 });
      const results = await at.log.append('news', keysOf('mallory', 30));
      expect(countOf(results, 'appended')).to.equal(18);
      expect(countOf(results, 'keys_of_subject')).to.equal(12);
      expect(statuses(await at.log.append('news', keysOf('mallory', 1)))).to.deep.equal(['appended']);
      expect(statuses(await at.log.append('news', keysOf('alice', 3, 'alice')))).to.deep.equal([
        'appended',
        'appended',
        'too_many_keys',
      ]);
    });

    it('are as many as the operator says, and stay hers whoever publishes to them', async () => {
      await at.openWith({ maxKeys: 20, maxKeysPerSubject: 2 });
      await at.log.append('news', keysOf('alice', 2, 'alice'));
      await at.log.append('news', keysOf('mallory', 2, 'alice'));
      expect(statuses(await at.log.append('news', keysOf('mallory', 3)))).to.deep.equal([
        'appended',
        'appended',
        'keys_of_subject',
      ]);
      expect(statuses(await at.log.append('news', keysOf('alice', 1)))).to.deep.equal(['appended']);
      expect(statuses(await at.log.append('news', keysOf('alice', 1, 'third')))).to.deep.equal([
        'keys_of_subject',
      ]);
    });

    it('leave others some of the bytes of the last values, however the values grow', async () => {
      await at.openWith({ maxBytes: MIB });
      const all: string[] = [];
      for (const bytes of [10, 300, 9_000, 30_000]) {
        const entries = Array.from({ length: 20 }, (_, i) => large(`k${i}`, bytes, 'mallory'));
        all.push(...statuses(await at.log.append('news', entries)));
      }
      expect(all.filter((status) => status !== 'appended')).to.deep.equal(
        Array.from({ length: all.length - all.lastIndexOf('appended') - 1 }, () => 'values_of_subject'),
      );
      expect(all.at(-1)).to.equal('values_of_subject');
      const others = [large('a', 20_000, 'alice'), large('k0', 10, 'alice'), large('k19', 25_000, 'mallory')];
      expect(statuses(await at.log.append('news', others))).to.deep.equal([
        'appended',
        'appended',
        'appended',
      ]);
    });

    it('do not count for those without a subject: the hub, and connectors', async () => {
      await at.openWith({ maxKeys: 20 });
      expect(countOf(await at.log.append('news', keysOf(undefined, 20)), 'appended')).to.equal(20);
    });

    it('are told apart within one call', async () => {
      await at.openWith({ maxKeys: 20, maxKeysPerSubject: 1 });
      const results = await Promise.all(
        ['alice', 'bob', undefined, 'alice', 'bob', undefined].map((subject, i) =>
          at.log.append('news', keysOf(subject, 1, `${i}-`)),
        ),
      );
      expect(statuses(results.flat())).to.deep.equal([
        'appended',
        'appended',
        'appended',
        'keys_of_subject',
        'keys_of_subject',
        'appended',
      ]);
    });

    it('are given back as they end', async () => {
      await at.openWith({ maxKeys: 20, maxKeysPerSubject: 2, maxAgeMs: 1_500 });
      const results = await at.log.append('news', keysOf('alice', 3));
      expect(statuses(results)).to.deep.equal(['appended', 'appended', 'keys_of_subject']);
      await until('she may create another', async () => {
        const [result] = await at.log.append('news', keysOf('alice', 1, 'other'));
        return result!.status === 'appended';
      });
    });
  });

  describe('the ids that are remembered', () => {
    const ids = (subject: string | undefined, from: number, count: number): AppendEntry[] =>
      Array.from({ length: count }, (_, i) => ({ key: 'k', data: '1', id: `${from + i}`, subject }));

    it('are bounded, half of them by one subject, and the others are taken without an id', async () => {
      await inOneWindowOfIds();
      await at.openWith({ maxBytes: MIB });
      const appended = async (subject: string | undefined) => {
        let taken = 0;
        for (let n = 0; n < 16; n++) {
          taken += countOf(await at.log.append('news', ids(subject, n * 500, 500)), 'appended');
        }
        return taken;
      };
      const [mallory, alice] = [await appended('mallory'), await appended('alice')];
      expect(mallory).to.be.within(1_000, 3_000);
      expect(alice).to.be.within(mallory - 2, mallory + 2);
      expect(await appended(undefined)).to.be.lessThan(3);
      const last = [...ids('mallory', 0, 1), ...ids('mallory', 99_999, 1), ...keysOf('mallory', 1)];
      expect(statuses(await at.log.append('news', last))).to.deep.equal([
        'duplicate',
        'ids_full',
        'appended',
      ]);
    });
  });

  describe('a deleted key', () => {
    it('is given back to its subject, and its bytes to the others', async () => {
      await at.openWith({ maxBytes: MIB, maxKeysPerSubject: 1 });
      await at.log.append('news', [large('a', 400_000, 'alice')]);
      const wanted = [large('b', 300_000, 'alice'), large('c', 300_000)];
      expect(statuses(await at.log.append('news', wanted))).to.deep.equal(['keys_of_subject', 'values_full']);
      await at.log.append('news', [{ key: 'a', data: TOMBSTONE }]);
      expect(statuses(await at.log.append('news', [wanted[0]!]))).to.deep.equal(['appended']);
    });

    it('leaves nothing behind when all of the stream is deleted', async () => {
      await at.openWith({ maxBytes: MIB, maxKeysPerSubject: 1, maxBytesPerSubject: 500_000 });
      const one = large('a', 400_000, 'alice');
      await at.log.append('news', [one]);
      await at.log.clear('news');
      expect(statuses(await at.log.append('news', [{ ...one, key: 'b' }]))).to.deep.equal(['appended']);
      expect(await at.log.check('news', 0)).to.include({ first: 2, top: 2 });
    });
  });

  describe('the bytes of one subject', () => {
    it('are not limited unless the operator says so', async () => {
      await at.openWith({ maxBytes: MIB });
      const results = await at.log.append(
        'news',
        Array.from({ length: 8 }, () => large('k', 100_000, 'alice')),
      );
      expect(countOf(results, 'appended')).to.equal(8);
    });

    it('are refused beyond what it may have in the log, while others are taken', async () => {
      await at.openWith({ maxBytes: MIB, maxBytesPerSubject: 200_000 });
      for (let n = 0; n < 9; n++) {
        const results = await at.log.append('news', [
          large('m', 40_000, 'mallory'),
          large('a', 1_000, 'alice'),
          large('h', 1_000),
        ]);
        const wanted = n < 4 ? 'appended' : 'bytes_of_subject';
        expect(statuses(results), `round ${n}`).to.deep.equal([wanted, 'appended', 'appended']);
      }
    });

    it('are given back as the log lets go of its messages', async () => {
      await at.openWith({ maxBytes: MIB, maxBytesPerSubject: 200_000 });
      for (let n = 0; n < 5; n++) await at.log.append('news', [large('m', 40_000, 'mallory')]);
      const [refused] = await at.log.append('news', [large('m', 40_000, 'mallory')]);
      for (let n = 0; n < 30; n++) await at.log.append('news', [large('h', 50_000)]);
      const [taken] = await at.log.append('news', [large('m', 40_000, 'mallory')]);
      expect(statuses([refused!, taken!])).to.deep.equal(['bytes_of_subject', 'appended']);
    });
  });
}
