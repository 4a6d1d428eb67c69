import { expect } from 'chai';
import type { AppendEntry, AppendResult, LogBatch } from '../../server/log/stream-log.js';
import { type LogUnderTest, numbered, rejection, seqOf } from './log-under-test.js';

/** How messages come into a log, once and in order, and are announced. */
export function itAppends(at: LogUnderTest): void {
  describe('append', () => {
    it('gives contiguous seqs from 1, in each stream apart', async () => {
      const first = await at.log.append('news', numbered(2));
      await at.log.append('market', numbered(1));
      const second = await at.log.append('news', numbered(3));
      const other = await at.log.append('market', numbered(1));

      expect([...first, ...second].map(seqOf)).to.deep.equal([1, 2, 3, 4, 5]);
      expect(other.map(seqOf)).to.deep.equal([2]);
      expect(new Set([...first, ...second].map((result) => result.status))).to.deep.equal(
        new Set(['appended']),
      );
    });

    it('keeps the order in which appends were made at once', async () => {
      const results = await Promise.all(
        Array.from({ length: 60 }, (_, n) => at.log.append('news', [{ key: `k${n % 7}`, data: String(n) }])),
      );

      expect(results.map(([result]) => seqOf(result))).to.deep.equal(
        Array.from({ length: 60 }, (_, n) => n + 1),
      );
      const stored = await at.log.range('news', 1, 60, 100);
      expect(stored.map(({ data }) => Number(data))).to.deep.equal(Array.from({ length: 60 }, (_, n) => n));
    });

    it('keeps the entries of one call together, in the log and in their announcement', async () => {
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, call) =>
          at.log.append(
            'news',
            Array.from({ length: 1 + (call % 4) }, (_, n) => ({ key: `c${call}`, data: String(n) })),
          ),
        ),
      );
      const seqs = results.map((call) => call.map(seqOf));
      for (const call of seqs) {
        expect(call).to.deep.equal(Array.from({ length: call.length }, (_, i) => call[0]! + i));
      }
      await at.follower.has('news', seqs.flat().length);
      for (const call of seqs) {
        const batch = at.follower.batches.find(
          ({ first, keys }) => first <= call[0]! && call[0]! < first + keys.length,
        )!;
        expect(batch.first + batch.keys.length, `the batch of ${call}`).to.be.greaterThan(call.at(-1)!);
      }
    });

    it('gives the time of the log in ms, one for all entries of a call', async () => {
      const before = Date.now();
      const results = await at.log.append('news', numbered(3));
      const after = Date.now();

      const times = results.map((result) => ('time' in result ? result.time : 0));
      expect(new Set(times).size).to.equal(1);
      expect(times[0]).to.be.within(before - 50, after + 50);
      await at.follower.has('news', 3);
      expect(at.follower.batches[0]!.time).to.equal(times[0]);
      for (const { time } of await at.log.range('news', 1, 3, 10)) expect(time).to.equal(times[0]);
      for (const { time } of await at.log.lastValues('news')) expect(time).to.equal(times[0]);
    });

    it('takes nothing and announces nothing for no entries', async () => {
      expect(await at.log.append('news', [])).to.deep.equal([]);
      const [result] = await at.log.append('news', numbered(1));
      expect(seqOf(result)).to.equal(1);
      await at.follower.has('news', 1);
      expect(at.follower.batches.map(({ keys }) => keys.length)).to.deep.equal([1]);
    });

    it('carries any text in data and keys', async () => {
      const entries = [
        { key: 'ключ/ü', data: '{"price":"12 €","名":"軸","emoji":"🚀"}' },
        { key: 'a.b-c_d/e', data: '"line\\nbreak \\u0000 \u2028 \u2029 \\"quoted\\" back\\\\slash"' },
        { key: 'blanks', data: '[1,  2, "  two  blanks  "]' },
        { key: 'small', data: '0' },
        { key: 'long', data: JSON.stringify('µ'.repeat(70_000)) },
      ];
      await at.log.append('news', entries);

      const plain = ({ key, data }: AppendEntry) => ({ key, data });
      expect((await at.log.range('news', 1, 9, 10)).map(plain)).to.deep.equal(entries);
      expect((await at.log.lastValues('news')).map(plain)).to.deep.equal(entries);
      expect((await at.log.check('news', 5)).own).to.include(entries[4]!);
      await at.follower.has('news', 5);
      const [{ keys, data }] = at.follower.batches as [LogBatch];
      expect(keys.map((key, i) => ({ key, data: data[i]! }))).to.deep.equal(entries);
    });
  });

  describe('append, from a source that numbers its messages', () => {
    const from = (source: string, ...positions: readonly string[]): AppendEntry[] =>
      positions.map((position) => ({ key: 'k', data: `"${position}"`, origin: { source, position } }));
    const statuses = (results: readonly AppendResult[]) => results.map(({ status }) => status);

    it('takes each position once, however it is sent again', async () => {
      await at.log.append('news', from('orders', '001', '002'));
      const again = await at.log.append('news', from('orders', '001', '002', '003'));
      const within = await at.log.append('news', from('orders', '003', '004', '004', '009', '010'));

      expect(statuses(again)).to.deep.equal(['passed', 'passed', 'appended']);
      expect(statuses(within)).to.deep.equal(['passed', 'appended', 'passed', 'appended', 'appended']);
      const stored = await at.log.range('news', 1, 99, 99);
      expect(stored.map(({ data }) => JSON.parse(data))).to.deep.equal([
        '001',
        '002',
        '003',
        '004',
        '009',
        '010',
      ]);
    });

    it('keeps sources and streams apart', async () => {
      await at.log.append('news', from('orders', '005'));
      expect(statuses(await at.log.append('news', from('trades', '001')))).to.deep.equal(['appended']);
      expect(statuses(await at.log.append('market', from('orders', '001')))).to.deep.equal(['appended']);
    });

    it('keeps the position through a change of epoch that kept the messages', async () => {
      const [first] = await at.log.append('news', from('orders', '001'));
      await at.log.rotate('news', first !== undefined && 'epoch' in first ? first.epoch : null);
      expect(statuses(await at.log.append('news', from('orders', '001', '002')))).to.deep.equal([
        'passed',
        'appended',
      ]);
    });

    it('does not move on for refused messages', async () => {
      await at.openWith({ maxKeys: 1 });
      await at.log.append('news', from('orders', '001'));
      const refused = { key: 'other', data: '1', origin: { source: 'orders', position: '002' } };
      expect(statuses(await at.log.append('news', [refused]))).to.deep.equal(['too_many_keys']);
      expect(statuses(await at.log.append('news', from('orders', '002')))).to.deep.equal(['appended']);
    });
  });

  describe('an announcement', () => {
    it('comes once for each message, in the order of the seqs, with the epoch', async () => {
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, n) => at.log.append(n % 2 === 0 ? 'news' : 'market', numbered(2))),
      );
      await at.follower.has('news', 40);
      await at.follower.has('market', 40);
      const [last] = await at.log.append('news', numbered(1));
      await at.follower.has('news', 41);

      expect(at.follower.seqs('news')).to.deep.equal(Array.from({ length: 41 }, (_, i) => i + 1));
      expect(at.follower.seqs('market')).to.deep.equal(Array.from({ length: 40 }, (_, i) => i + 1));
      const epochs = new Set(
        at.follower.batches.filter(({ stream }) => stream === 'news').map(({ epoch }) => epoch),
      );
      expect(last).to.include({ epoch: [...epochs][0] });
      expect(epochs.size).to.equal(1);
      expect(results.flat()).to.have.length(80);
    });

    it('comes after the commit: the log holds what it announces', async () => {
      const tops: Promise<boolean>[] = [];
      at.follower.onBatch = ({ first, keys }) => {
        const last = first + keys.length - 1;
        tops.push(at.log.check('news', last).then(({ top, own }) => top >= last && own?.seq === last));
      };
      for (let n = 0; n < 5; n++) await at.log.append('news', numbered(2));
      await at.follower.has('news', 10);

      expect(await Promise.all(tops)).to.deep.equal(tops.map(() => true));
    });

    it('is heard no more after close', async () => {
      await at.log.append('news', numbered(1));
      await at.follower.has('news', 1);
      const closed = at.log.close();
      void rejection(at.log.append('news', numbered(1)));
      await closed;
      // An append and its answer take longer than an announcement would.
      await rejection(at.log.append('market', numbered(1)));
      await rejection(at.log.check('news', 0));

      expect(at.follower.seqs('news')).to.deep.equal([1]);
    });
  });

  describe('an id', () => {
    it('makes a repeat a duplicate with the first result', async () => {
      const [first] = await at.log.append('news', [{ key: 'k', data: '"a"', id: 'one' }]);
      await at.log.append('news', numbered(1));
      const [again] = await at.log.append('news', [{ key: 'k', data: '"a"', id: 'one' }]);

      expect(again).to.deep.equal({ ...first, status: 'duplicate' });
      expect((await at.log.check('news', 0)).top).to.equal(2);
      const [next] = await at.log.append('news', numbered(1));
      expect(seqOf(next)).to.equal(3);
      await at.follower.has('news', 3);
      expect(at.follower.seqs('news')).to.deep.equal([1, 2, 3]);
      expect((await at.log.range('news', 1, 9, 10)).map(({ data }) => data)).to.deep.equal(['"a"', '0', '0']);
    });

    it('makes other data a conflict that stores nothing', async () => {
      await at.log.append('news', [{ key: 'k', data: '1', id: 'one' }]);
      const results = await at.log.append('news', [
        { key: 'k', data: '2', id: 'one' },
        { key: 'k', data: '3', id: 'two' },
      ]);

      expect(results.map(({ status }) => status)).to.deep.equal(['conflict', 'appended']);
      expect(seqOf(results[1])).to.equal(2);
    });

    it('belongs to its key: under another one the same id is free', async () => {
      const results = await at.log.append('news', [
        { key: 'k', data: '1', id: 'one' },
        { key: 'other', data: '2', id: 'one' },
        { key: 'k', data: '1', id: 'one' },
      ]);
      expect(results.map(({ status }) => status)).to.deep.equal(['appended', 'appended', 'duplicate']);
      expect(await at.log.range('news', 1, 9, 10)).to.have.length(2);
    });

    it('belongs to its subject: nobody takes the id of another, or learns that it is used', async () => {
      const publish = async (subject: string | undefined, data: string, id = 'one') => {
        const [result] = await at.log.append('news', [{ key: 'k', data, id, subject }]);
        return result!.status;
      };
      expect(await publish('alice', '1')).to.equal('appended');
      expect(await publish('bob', '2')).to.equal('appended');
      expect(await publish(undefined, '3')).to.equal('appended');
      expect(await publish('alice', '1')).to.equal('duplicate');
      expect(await publish('bob', '2')).to.equal('duplicate');
      expect(await publish(undefined, '3')).to.equal('duplicate');
      expect(await publish('bob', '1')).to.equal('conflict');
      expect((await at.log.check('news', 0)).top).to.equal(3);
    });

    it('cannot be made to look like that of another subject', async () => {
      const statuses = [];
      for (const [subject, id] of [
        ['a', 'k\nb'],
        ['a"\nk', 'b'],
        ['a\nk', 'b'],
        ['"a"', 'b'],
        ['a', 'b'],
      ] as const) {
        const [result] = await at.log.append('news', [{ key: 'k', data: id, id, subject }]);
        statuses.push(result!.status);
      }
      expect(new Set(statuses)).to.deep.equal(new Set(['appended']));
    });

    it('counts within one call, too', async () => {
      const results = await at.log.append('news', [
        { key: 'k', data: '1', id: 'one' },
        { key: 'k', data: '1', id: 'one' },
        { key: 'k', data: '2', id: 'one' },
        { key: 'k', data: '1' },
      ]);

      expect(results.map(({ status }) => status)).to.deep.equal([
        'appended',
        'duplicate',
        'conflict',
        'appended',
      ]);
      expect(results[1]).to.deep.equal({ ...results[0], status: 'duplicate' });
      expect(seqOf(results[3])).to.equal(2);
    });

    it('is appended once by appends at the same time', async () => {
      const results = await Promise.all(
        Array.from({ length: 10 }, () => at.log.append('news', [{ key: 'k', data: '1', id: 'one' }])),
      );
      expect(results.map(([result]) => result!.status).sort()).to.deep.equal([
        'appended',
        ...Array.from({ length: 9 }, () => 'duplicate'),
      ]);
      expect((await at.log.check('news', 0)).top).to.equal(1);
    });

    it('belongs to its stream', async () => {
      const results = [
        await at.log.append('news', [{ key: 'k', data: '1', id: 'one' }]),
        await at.log.append('market', [{ key: 'k', data: '2', id: 'one' }]),
      ];
      expect(results.flat().map(({ status }) => status)).to.deep.equal(['appended', 'appended']);
    });

    it('is not used up by a message that was refused', async () => {
      await at.openWith({ maxKeys: 1 });
      await at.log.append('news', [{ key: 'a', data: '1' }]);
      const refused = await at.log.append('news', [{ key: 'b', data: '1', id: 'one' }]);
      const taken = await at.log.append('news', [{ key: 'a', data: '2', id: 'one' }]);
      expect([...refused, ...taken].map(({ status }) => status)).to.deep.equal(['too_many_keys', 'appended']);
    });
  });
}
