import { expect } from 'chai';
import { LogTops } from '../../../server/hub/recovery/log-tops.js';
import { TestHub } from '../support.js';

describe('The ends of the log, asked for recoveries', () => {
  let test: TestHub;
  let tops: LogTops;
  const asked = () => test.log.calls.filter((call) => call.endsWith(' 0'));

  beforeEach(async () => {
    test = await TestHub.start();
    await test.publishMany(3, 'news:a');
    test.log.calls.length = 0;
    tops = new LogTops(test.log);
  });

  afterEach(() => test.stop());

  it('are asked for once for concurrent callers, by stream', async () => {
    const all = await Promise.all([
      ...Array.from({ length: 50 }, () => tops.recent('news')),
      tops.recent('market'),
    ]);
    expect(asked()).to.deep.equal(['check news 0', 'check market 0']);
    expect(all.slice(0, 50).every(({ top }) => top === 3)).to.equal(true);
  });

  it('are asked for again afterwards', async () => {
    await tops.recent('news');
    await test.publishMany(1, 'news:a');
    expect((await tops.recent('news')).top).to.equal(4);
  });

  it('have every message that was there when "now" was asked for, and are shared then too', async () => {
    const before = tops.recent('news');
    await test.publishMany(1, 'news:a');
    const after = await Promise.all([tops.now('news'), tops.now('news'), tops.now('news')]);
    await before;
    expect(after.map(({ top }) => top)).to.deep.equal([4, 4, 4]);
    // The one that was under way, one for the first, and one that the others share.
    expect(asked().length).to.be.at.most(3);
  });

  it('fail for those who asked, and are asked for again afterwards', async () => {
    test.log.check = async () => {
      throw new Error('out of reach');
    };
    const results = await Promise.allSettled([tops.recent('news'), tops.recent('news'), tops.now('news')]);
    expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected', 'rejected']);
    Reflect.deleteProperty(test.log, 'check');
    expect((await tops.recent('news')).top).to.equal(3);
  });
});
