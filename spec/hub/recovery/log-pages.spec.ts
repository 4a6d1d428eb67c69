import { expect } from 'chai';
import { LogPages } from '../../../server/hub/recovery/log-pages.js';
import { Gate, TestHub } from '../support.js';

describe('Pages of the log', () => {
  let test: TestHub;
  let pages: LogPages;

  beforeEach(async () => {
    test = await TestHub.start({ limits: { windowBytes: 2_000 } });
    await test.publishMany(1_300, 'news:a', 'news:b');
    test.log.calls.length = 0;
    pages = new LogPages(test.log);
  });

  afterEach(() => test.stop());

  const read = async (seq: number) => {
    const { page } = await pages.read(test.hub.stream('news').tail, seq);
    return { from: page.seqAt(0), to: page.to, count: page.length };
  };

  it('are cut at fixed seqs, wherever in them one asks', async () => {
    const page = { from: 513, to: 1_024, count: 512 };
    expect(await read(513)).to.deep.equal(page);
    expect(await read(700)).to.deep.equal(page);
    expect(await read(1_024)).to.deep.equal(page);
    expect(await read(512)).to.deep.equal({ from: 1, to: 512, count: 512 });
    expect(test.log.calls).to.deep.equal(['range news 513 1024', 'range news 1 512']);
    expect(pages.reads).to.equal(2);
  });

  it('are read once for all who ask at the same time', async () => {
    const gate = new Gate();
    test.log.beforeAnswer = () => gate.pass();
    const reads = Array.from({ length: 100 }, (_, i) => read(1 + i));
    await gate.reached('the log is read');
    gate.open();
    for (const page of await Promise.all(reads)) expect(page).to.include({ from: 1, to: 512 });
    expect(test.log.countOf('range')).to.equal(1);
  });

  it('end at the last message, and are read again when more has come', async () => {
    expect(await read(1_100)).to.deep.equal({ from: 1_025, to: 1_300, count: 276 });
    await test.publish('news:a');
    expect(await read(1_100)).to.deep.equal({ from: 1_025, to: 1_301, count: 277 });
    expect(test.log.countOf('range')).to.equal(2);
  });

  it('have the texts of their messages', async () => {
    const { page } = await pages.read(test.hub.stream('news').tail, 2);
    expect(JSON.parse(page.message(1).text)).to.include({ topic: 'news:b', seq: 2, data: 2 });
  });

  it('are asked for again after a read has failed', async () => {
    test.log.failures.set('range', new Error('out of reach'));
    const failures = await Promise.all([1, 2].map((seq) => read(seq).catch((error: Error) => error.message)));
    expect(failures).to.deep.equal(['out of reach', 'out of reach']);
    test.log.failures.clear();
    expect(await read(1)).to.include({ from: 1, count: 512 });
    expect(test.log.countOf('range')).to.equal(2);
  });
});
