import { expect } from 'chai';
import { Painted } from '../../web/src/live/painter.js';
import { MAX_ROWS, MarketStore } from '../../web/src/views/markets/market-store.js';
import { NewsStore } from '../../web/src/views/news/news-store.js';
import { PortfolioStore, positionsOf } from '../../web/src/views/portfolio/portfolio-store.js';
import { SignalStore } from '../../web/src/views/signals/signal-store.js';
import { SystemStore } from '../../web/src/views/system/system-store.js';
import { holdFrames, message } from './support.js';

describe('What the page keeps of a stream', () => {
  let paint: () => void;

  beforeEach(() => {
    paint = holdFrames();
  });
  afterEach(() => paint());

  it('market: the newest price of each symbol, however late an older one comes', () => {
    const market = new MarketStore();
    market.take(message('market:AAPL', 2, { price: 10, source: 'replay' }));
    market.take(message('market:AAPL', 1, { price: 99 }));
    market.take(message('market:AAPL', 3, { price: 9 }));
    market.take(message('market:ODD', 4, { price: 'much' }));
    expect([...market.rows.keys()]).to.deep.equal(['AAPL']);
    expect(market.rows.get('AAPL')).to.include({ price: 9, seq: 3, direction: 'down', moves: 1 });
    expect(market.source).to.equal('replay');
  });

  it('market: a bounded number of symbols, and how many are left out', () => {
    const market = new MarketStore();
    for (let i = 1; i <= MAX_ROWS + 2; i++) market.take(message(`market:S${i}`, i, { price: i }));
    expect([market.rows.size, market.leftOut.size]).to.deep.equal([MAX_ROWS, 2]);
  });

  it('market: lower seqs again once the numbering has begun again', () => {
    const market = new MarketStore();
    market.take(message('market:AAPL', 100, { price: 10 }));
    market.reset();
    market.take(message('market:AAPL', 1, { price: 11 }));
    expect(market.rows.get('AAPL')).to.include({ price: 11, seq: 1 });
  });

  it('news: the newest headline first, up to 300', () => {
    const news = new NewsStore();
    for (let i = 1; i <= 301; i++) news.take(message('news:tech', i, { headline: `h${i}` }), i > 1);
    expect(news.items).to.have.length(300);
    expect(news.items[0]).to.include({ headline: 'h301', category: 'tech', isLive: true });
  });

  it('portfolio: each book as it is now, and the way of its value', () => {
    const portfolio = new PortfolioStore();
    portfolio.take(message('portfolio:demo', 1, { value: 5 }));
    portfolio.take(
      message('portfolio:demo', 2, { value: 6, positions: [{ symbol: 'MSFT', quantity: 250 }, 7] }),
    );
    portfolio.take(message('portfolio:demo', 2, { value: 7 }));
    const book = portfolio.books.get('demo');
    expect(book?.values.map(({ value }) => value)).to.deep.equal([5, 6]);
    expect(positionsOf(book?.data).map(({ symbol, quantity }) => [symbol, quantity])).to.deep.equal([
      ['MSFT', 250],
      ['?', undefined],
    ]);
    expect(positionsOf('nothing')).to.deep.equal([]);
  });

  it('signals: the ledger in its order, and where its unbroken part begins', () => {
    const signals = new SignalStore();
    for (const seq of [1, 2, 5, 6, 6, 4])
      signals.take(message('signals:AAPL', seq, { kind: 'signal' }), true);
    expect(signals.lines.map(({ seq }) => seq)).to.deep.equal([6, 5, 2, 1]);
    expect(signals.contiguousFrom).to.equal(5);
    signals.reset();
    expect(signals.lines).to.deep.equal([]);
  });

  it('system: the newest report of each node, with the last minutes for its charts', () => {
    const system = new SystemStore();
    for (let i = 1; i <= 301; i++)
      system.take(message('system:node1', i, { node: 'node1', cpuPercent: i }), false);
    system.take(message('system:other', 302, { about: 'something else' }), false);
    const node = system.nodes.get('node1');
    expect([system.nodes.size, node?.seq, node?.samples.length]).to.deep.equal([1, 301, 300]);
  });
});

describe('What has changed', () => {
  it('is not painted before the next frame, however many messages come', () => {
    const paint = holdFrames();
    const part = new Painted();
    paint();
    const before = part.version;
    for (let i = 0; i < 100; i++) part.changed();
    expect(part.version).to.equal(before);
  });
});
