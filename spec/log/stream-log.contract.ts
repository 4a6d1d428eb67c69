/**
 * What every stream log promises, whatever keeps it. `server/log/stream-log.ts` states the duties; both implementations
 * are held to them here.
 */
import { expect } from 'chai';
import { HubError } from '../../server/errors.js';
import type {
  AppendEntry,
  AppendResult,
  LogBatch,
  LogListener,
  Retention,
  StreamLog,
} from '../../server/log/stream-log.js';
import { until } from '../support/wait.js';

/** The streams of every log under test. */
export const CONTRACT_STREAMS = ['news', 'market'] as const;

export const ROOMY: Retention = { maxMessages: 100_000, maxAgeMs: 3_600_000, maxKeys: 10_000 };

/** Opens the log of this spec, empty at first, with announcements to `listener`. What it opens, it closes after it. */
export type OpenLog = (retention: Retention, listener: LogListener) => Promise<StreamLog>;

/** A follower that keeps what it hears. */
export class Follower implements LogListener {
  readonly batches: LogBatch[] = [];
  resumptions = 0;
  interruptions = 0;
  onBatch: (batch: LogBatch) => void = () => undefined;

  batch(batch: LogBatch): void {
    this.batches.push(batch);
    this.onBatch(batch);
  }

  interrupted(): void {
    this.interruptions += 1;
  }

  resumed(): void {
    this.resumptions += 1;
  }

  seqs(stream: string): number[] {
    return this.batches
      .filter((batch) => batch.stream === stream)
      .flatMap(({ first, keys }) => keys.map((_, i) => first + i));
  }

  async has(stream: string, count: number): Promise<void> {
    await until(`${count} messages of ${stream} are announced`, () => this.seqs(stream).length >= count, {
      instead: () => this.seqs(stream),
    });
  }
}

/** Entries with the data 0, 1, 2, … under one key. */
export function numbered(count: number, key = 'k'): AppendEntry[] {
  return Array.from({ length: count }, (_, n) => ({ key, data: String(n) }));
}

/** The seq of a result that has one. */
export function seqOf(result: AppendResult | undefined): number {
  if (result === undefined || !('seq' in result)) throw new Error(`no seq in ${JSON.stringify(result)}`);
  return result.seq;
}

/** The error that a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

export function itIsAStreamLog(open: OpenLog): void {
  let follower: Follower;
  let log: StreamLog;

  const openWith = async (retention: Partial<Retention>) => {
    follower = new Follower();
    log = await open({ ...ROOMY, ...retention }, follower);
  };

  beforeEach(() => openWith({}));

  describe('append', () => {
    it('gives contiguous seqs from 1, in each stream apart', async () => {
      const first = await log.append('news', numbered(2));
      await log.append('market', numbered(1));
      const second = await log.append('news', numbered(3));
      const other = await log.append('market', numbered(1));

      expect([...first, ...second].map(seqOf)).to.deep.equal([1, 2, 3, 4, 5]);
      expect(other.map(seqOf)).to.deep.equal([2]);
      expect(new Set([...first, ...second].map((result) => result.status))).to.deep.equal(
        new Set(['appended']),
      );
    });

    it('keeps the order in which appends were made at once', async () => {
      const results = await Promise.all(
        Array.from({ length: 60 }, (_, n) => log.append('news', [{ key: `k${n % 7}`, data: String(n) }])),
      );

      expect(results.map(([result]) => seqOf(result))).to.deep.equal(
        Array.from({ length: 60 }, (_, n) => n + 1),
      );
      const stored = await log.range('news', 1, 60, 100);
      expect(stored.map(({ data }) => Number(data))).to.deep.equal(Array.from({ length: 60 }, (_, n) => n));
    });

    it('keeps the entries of one call together, in the log and in their announcement', async () => {
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, call) =>
          log.append(
            'news',
            Array.from({ length: 1 + (call % 4) }, (_, n) => ({ key: `c${call}`, data: String(n) })),
          ),
        ),
      );
      const seqs = results.map((call) => call.map(seqOf));
      for (const call of seqs) {
        expect(call).to.deep.equal(Array.from({ length: call.length }, (_, i) => call[0]! + i));
      }
      await follower.has('news', seqs.flat().length);
      for (const call of seqs) {
        const batch = follower.batches.find(
          ({ first, keys }) => first <= call[0]! && call[0]! < first + keys.length,
        )!;
        expect(batch.first + batch.keys.length, `the batch of ${call}`).to.be.greaterThan(call.at(-1)!);
      }
    });

    it('gives the time of the log in ms, one for all entries of a call', async () => {
      const before = Date.now();
      const results = await log.append('news', numbered(3));
      const after = Date.now();

      const times = results.map((result) => ('time' in result ? result.time : 0));
      expect(new Set(times).size).to.equal(1);
      expect(times[0]).to.be.within(before - 50, after + 50);
      await follower.has('news', 3);
      expect(follower.batches[0]!.time).to.equal(times[0]);
      for (const { time } of await log.range('news', 1, 3, 10)) expect(time).to.equal(times[0]);
      for (const { time } of await log.lastValues('news')) expect(time).to.equal(times[0]);
    });

    it('takes nothing and announces nothing for no entries', async () => {
      expect(await log.append('news', [])).to.deep.equal([]);
      const [result] = await log.append('news', numbered(1));
      expect(seqOf(result)).to.equal(1);
      await follower.has('news', 1);
      expect(follower.batches.map(({ keys }) => keys.length)).to.deep.equal([1]);
    });

    it('carries any text in data and keys', async () => {
      const entries = [
        { key: 'ключ/ü', data: '{"price":"12 €","名":"軸","emoji":"🚀"}' },
        { key: 'a.b-c_d/e', data: '"line\\nbreak \\u0000 \u2028 \u2029 \\"quoted\\" back\\\\slash"' },
        { key: 'blanks', data: '[1,  2, "  two  blanks  "]' },
        { key: 'small', data: '0' },
        { key: 'long', data: JSON.stringify('µ'.repeat(70_000)) },
      ];
      await log.append('news', entries);

      const plain = ({ key, data }: AppendEntry) => ({ key, data });
      expect((await log.range('news', 1, 9, 10)).map(plain)).to.deep.equal(entries);
      expect((await log.lastValues('news')).map(plain)).to.deep.equal(entries);
      expect((await log.check('news', 5)).own).to.include(entries[4]!);
      await follower.has('news', 5);
      const [{ keys, data }] = follower.batches as [LogBatch];
      expect(keys.map((key, i) => ({ key, data: data[i]! }))).to.deep.equal(entries);
    });
  });

  describe('append, from a source that numbers its messages', () => {
    const from = (source: string, ...positions: readonly string[]): AppendEntry[] =>
      positions.map((position) => ({ key: 'k', data: `"${position}"`, origin: { source, position } }));
    const statuses = (results: readonly AppendResult[]) => results.map(({ status }) => status);

    it('takes each position once, however it is sent again', async () => {
      await log.append('news', from('orders', '001', '002'));
      const again = await log.append('news', from('orders', '001', '002', '003'));
      const within = await log.append('news', from('orders', '003', '004', '004', '009', '010'));

      expect(statuses(again)).to.deep.equal(['passed', 'passed', 'appended']);
      expect(statuses(within)).to.deep.equal(['passed', 'appended', 'passed', 'appended', 'appended']);
      const stored = await log.range('news', 1, 99, 99);
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
      await log.append('news', from('orders', '005'));
      expect(statuses(await log.append('news', from('trades', '001')))).to.deep.equal(['appended']);
      expect(statuses(await log.append('market', from('orders', '001')))).to.deep.equal(['appended']);
    });

    it('keeps the position through a change of epoch that kept the messages', async () => {
      const [first] = await log.append('news', from('orders', '001'));
      await log.rotate('news', first !== undefined && 'epoch' in first ? first.epoch : null);
      expect(statuses(await log.append('news', from('orders', '001', '002')))).to.deep.equal([
        'passed',
        'appended',
      ]);
    });

    it('does not move on by what it refuses', async () => {
      await openWith({ maxKeys: 1 });
      await log.append('news', from('orders', '001'));
      const refused = { key: 'other', data: '1', origin: { source: 'orders', position: '002' } };
      expect(statuses(await log.append('news', [refused]))).to.deep.equal(['too_many_keys']);
      expect(statuses(await log.append('news', from('orders', '002')))).to.deep.equal(['appended']);
    });
  });

  describe('an announcement', () => {
    it('comes once for each message, in the order of the seqs, with the epoch', async () => {
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, n) => log.append(n % 2 === 0 ? 'news' : 'market', numbered(2))),
      );
      await follower.has('news', 40);
      await follower.has('market', 40);
      const [last] = await log.append('news', numbered(1));
      await follower.has('news', 41);

      expect(follower.seqs('news')).to.deep.equal(Array.from({ length: 41 }, (_, i) => i + 1));
      expect(follower.seqs('market')).to.deep.equal(Array.from({ length: 40 }, (_, i) => i + 1));
      const epochs = new Set(
        follower.batches.filter(({ stream }) => stream === 'news').map(({ epoch }) => epoch),
      );
      expect(last).to.include({ epoch: [...epochs][0] });
      expect(epochs.size).to.equal(1);
      expect(results.flat()).to.have.length(80);
    });

    it('comes after the commit: the log holds what it announces', async () => {
      const tops: Promise<boolean>[] = [];
      follower.onBatch = ({ first, keys }) => {
        const last = first + keys.length - 1;
        tops.push(log.check('news', last).then(({ top, own }) => top >= last && own?.seq === last));
      };
      for (let n = 0; n < 5; n++) await log.append('news', numbered(2));
      await follower.has('news', 10);

      expect(await Promise.all(tops)).to.deep.equal(tops.map(() => true));
    });

    it('is heard no more after close', async () => {
      await log.append('news', numbered(1));
      await follower.has('news', 1);
      const closed = log.close();
      void rejection(log.append('news', numbered(1)));
      await closed;
      // An append and its answer take longer than an announcement would.
      await rejection(log.append('market', numbered(1)));
      await rejection(log.check('news', 0));

      expect(follower.seqs('news')).to.deep.equal([1]);
    });
  });

  describe('an id', () => {
    it('makes a repeat a duplicate with the first result', async () => {
      const [first] = await log.append('news', [{ key: 'k', data: '"a"', id: 'one' }]);
      await log.append('news', numbered(1));
      const [again] = await log.append('news', [{ key: 'k', data: '"a"', id: 'one' }]);

      expect(again).to.deep.equal({ ...first, status: 'duplicate' });
      expect((await log.check('news', 0)).top).to.equal(2);
      const [next] = await log.append('news', numbered(1));
      expect(seqOf(next)).to.equal(3);
      await follower.has('news', 3);
      expect(follower.seqs('news')).to.deep.equal([1, 2, 3]);
      expect((await log.range('news', 1, 9, 10)).map(({ data }) => data)).to.deep.equal(['"a"', '0', '0']);
    });

    it('makes other data, or another key, a conflict that stores nothing', async () => {
      await log.append('news', [{ key: 'k', data: '1', id: 'one' }]);
      const results = await log.append('news', [
        { key: 'k', data: '2', id: 'one' },
        { key: 'other', data: '1', id: 'one' },
        { key: 'k', data: '3', id: 'two' },
      ]);

      expect(results.map(({ status }) => status)).to.deep.equal(['conflict', 'conflict', 'appended']);
      expect(seqOf(results[2])).to.equal(2);
      expect((await log.lastValues('news')).map(({ key }) => key)).to.deep.equal(['k']);
    });

    it('counts within one call, too', async () => {
      const results = await log.append('news', [
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
        Array.from({ length: 10 }, () => log.append('news', [{ key: 'k', data: '1', id: 'one' }])),
      );
      expect(results.map(([result]) => result!.status).sort()).to.deep.equal([
        'appended',
        ...Array.from({ length: 9 }, () => 'duplicate'),
      ]);
      expect((await log.check('news', 0)).top).to.equal(1);
    });

    it('belongs to its stream', async () => {
      const results = [
        await log.append('news', [{ key: 'k', data: '1', id: 'one' }]),
        await log.append('market', [{ key: 'k', data: '2', id: 'one' }]),
      ];
      expect(results.flat().map(({ status }) => status)).to.deep.equal(['appended', 'appended']);
    });

    it('is not used up by a message that was refused', async () => {
      await openWith({ maxKeys: 1 });
      await log.append('news', [{ key: 'a', data: '1' }]);
      const refused = await log.append('news', [{ key: 'b', data: '1', id: 'one' }]);
      const taken = await log.append('news', [{ key: 'a', data: '2', id: 'one' }]);
      expect([...refused, ...taken].map(({ status }) => status)).to.deep.equal(['too_many_keys', 'appended']);
    });
  });

  describe('last values', () => {
    it('are the newest of each key, ascending', async () => {
      await log.append('news', [
        { key: 'a', data: '1' },
        { key: 'b', data: '2' },
        { key: 'c', data: '3' },
      ]);
      const [moved] = await log.append('news', [{ key: 'a', data: '4' }]);

      const values = await log.lastValues('news');
      expect(values.map(({ seq, key, data }) => ({ seq, key, data }))).to.deep.equal([
        { seq: 2, key: 'b', data: '2' },
        { seq: 3, key: 'c', data: '3' },
        { seq: 4, key: 'a', data: '4' },
      ]);
      expect(moved).to.include({ time: values[2]!.time });
      expect(await log.lastValues('market')).to.deep.equal([]);
    });

    it('outlive the trimming of their messages', async () => {
      await openWith({ maxMessages: 100 });
      await log.append('news', [{ key: 'seldom', data: '"kept"' }]);
      for (let n = 0; n < 10; n++) await log.append('news', numbered(100, 'often'));

      expect((await log.check('news', 1)).own).to.equal(null);
      const values = await log.lastValues('news');
      expect(values.map(({ seq, key, data }) => ({ seq, key, data }))).to.deep.equal([
        { seq: 1, key: 'seldom', data: '"kept"' },
        { seq: 1001, key: 'often', data: '99' },
      ]);
    });
  });

  describe('retention', () => {
    it('keeps about as many messages as it should, and the newest of them', async () => {
      await openWith({ maxMessages: 200 });
      for (let n = 0; n < 20; n++) await log.append('news', numbered(100));

      const { top, first } = await log.check('news', 0);
      expect(top).to.equal(2000);
      expect(top - first + 1).to.be.within(200, 400);
      const kept = await log.range('news', 1, 2000, 5000);
      expect(kept.map(({ seq }) => seq)).to.deep.equal(
        Array.from({ length: 2000 - first + 1 }, (_, i) => first + i),
      );
    });

    it('forgets by age when the log is checked, but neither the top nor the last values', async () => {
      await openWith({ maxAgeMs: 20 });
      await log.append('news', numbered(1200, 'a'));
      await until('everything is too old', async () => (await log.check('news', 0)).first === 1201);

      expect(await log.check('news', 1200)).to.include({ top: 1200, first: 1201, own: null });
      expect(await log.range('news', 1, 1200, 10)).to.deep.equal([]);
      expect(await log.lastValues('news')).to.have.length(1);
      const [next] = await log.append('news', numbered(1));
      expect(seqOf(next)).to.equal(1201);
    });

    it('refuses a key beyond the most that the stream may have, and nothing else', async () => {
      await openWith({ maxKeys: 2 });
      const results = await log.append('news', [
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
      expect((await log.range('news', 1, 9, 10)).map(({ seq, data }) => [seq, data])).to.deep.equal([
        [1, '1'],
        [2, '2'],
        [3, '4'],
        [4, '6'],
      ]);
      await follower.has('news', 4);
      expect(follower.batches.flatMap(({ keys }) => keys)).to.deep.equal(['a', 'b', 'a', 'b']);
    });
  });

  describe('range', () => {
    it('gives what lies between its bounds, both included', async () => {
      await log.append('news', numbered(10));
      const seqs = async (from: number, to: number, limit = 100) =>
        (await log.range('news', from, to, limit)).map(({ seq }) => seq);

      expect(await seqs(3, 5)).to.deep.equal([3, 4, 5]);
      expect(await seqs(1, 1)).to.deep.equal([1]);
      expect(await seqs(9, 500)).to.deep.equal([9, 10]);
      expect(await seqs(11, 500)).to.deep.equal([]);
      expect(await seqs(5, 4)).to.deep.equal([]);
      expect(await seqs(0, 2)).to.deep.equal([1, 2]);
      expect(await seqs(1, 10, 4)).to.deep.equal([1, 2, 3, 4]);
    });

    it('is empty for a stream without messages', async () => {
      expect(await log.range('news', 1, 10, 10)).to.deep.equal([]);
    });

    it('begins with the first that is left where the others were trimmed', async () => {
      await openWith({ maxMessages: 100 });
      for (let n = 0; n < 10; n++) await log.append('news', numbered(100));
      const { first } = await log.check('news', 0);

      expect((await log.range('news', 1, 1000, 3)).map(({ seq }) => seq)).to.deep.equal([
        first,
        first + 1,
        first + 2,
      ]);
      expect(await log.range('news', 1, first - 1, 10)).to.deep.equal([]);
      expect((await log.range('news', first - 1, first, 10)).map(({ seq }) => seq)).to.deep.equal([first]);
    });
  });

  describe('check', () => {
    it('of a log that never had a message knows no epoch', async () => {
      expect(await log.check('news', 0)).to.deep.equal({ epoch: null, top: 0, first: 1, own: null });
      expect(await log.check('news', 5)).to.deep.equal({ epoch: null, top: 0, first: 1, own: null });
    });

    it('tells epoch, top, first, and the message under the seq that was asked for', async () => {
      const results = await log.append('news', numbered(3));
      const [{ epoch, time }] = results as [Extract<AppendResult, { seq: number }>];

      expect(epoch).to.match(/^[A-Za-z0-9]{1,16}$/);
      expect(await log.check('news', 2)).to.deep.equal({
        epoch,
        top: 3,
        first: 1,
        own: { seq: 2, time, key: 'k', data: '1' },
      });
      expect((await log.check('news', 0)).own).to.equal(null);
      expect((await log.check('news', 4)).own).to.equal(null);
    });
  });

  describe('rotate', () => {
    it('changes the epoch once, however many expect the same', async () => {
      await log.append('news', numbered(2));
      const { epoch } = await log.check('news', 0);
      const epochs = await Promise.all(Array.from({ length: 5 }, () => log.rotate('news', epoch)));

      expect(new Set(epochs).size).to.equal(1);
      expect(epochs[0]).not.to.equal(epoch);
      expect(await log.check('news', 0)).to.include({ epoch: epochs[0], top: 2 });
    });

    it('leaves an epoch alone that is not the expected one', async () => {
      await log.append('news', numbered(1));
      const { epoch } = await log.check('news', 0);

      expect(await log.rotate('news', 'older')).to.equal(epoch);
      expect(await log.rotate('news', null)).to.equal(epoch);
      expect((await log.check('news', 0)).epoch).to.equal(epoch);
    });

    it('gives an empty log its first epoch, which its messages then carry', async () => {
      const epochs = await Promise.all([log.rotate('news', null), log.rotate('news', null)]);
      expect(epochs[1]).to.equal(epochs[0]);
      const [result] = await log.append('news', numbered(1));

      expect(result).to.include({ seq: 1, epoch: epochs[0] });
    });

    it('lets seqs go on under the new epoch', async () => {
      await log.append('news', numbered(2));
      const epoch = await log.rotate('news', (await log.check('news', 0)).epoch);
      const [result] = await log.append('news', numbered(1));

      expect(result).to.include({ seq: 3, epoch });
      await follower.has('news', 3);
      expect(follower.batches.at(-1)).to.include({ first: 3, epoch });
    });
  });

  it('is available, and says so to its follower', async () => {
    expect(log.available).to.equal(true);
    expect(follower.resumptions).to.equal(1);
    expect(follower.interruptions).to.equal(0);
  });

  it('rejects what concerns a stream that it does not have', async () => {
    const calls: (() => Promise<unknown>)[] = [
      () => log.append('sport', numbered(1)),
      () => log.check('sport', 0),
      () => log.rotate('sport', null),
      () => log.range('sport', 1, 2, 3),
      () => log.lastValues('sport'),
    ];
    for (const call of calls) {
      const error = await rejection(call());
      expect(error).to.be.instanceOf(HubError);
      expect(error).to.include({ code: 'unknown_stream' });
    }
  });
}
