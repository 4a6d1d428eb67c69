import { EMPTY_CURSOR, formatCursor, parseCursor } from '@axiom-streaming/protocol/cursor';
import { expect } from 'chai';
import fc from 'fast-check';
import { propertyOptions } from '../support/size.js';

const positions = fc
  .uniqueArray(
    fc.tuple(
      fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/),
      fc.record(
        {
          epoch: fc.stringMatching(/^[A-Za-z0-9]{1,16}$/),
          seq: fc.oneof(fc.nat(), fc.maxSafeNat()),
        },
        { noNullPrototype: true },
      ),
    ),
    { maxLength: 64, selector: ([stream]) => stream },
  )
  .map((entries) => new Map(entries));

describe('A cursor', () => {
  it('is read as it was written, for any positions', () => {
    fc.assert(
      fc.property(positions, (map) => {
        const text = formatCursor(map);
        expect([...parseCursor(text)!]).to.deep.equal([...map]);
        expect(formatCursor(parseCursor(text)!)).to.equal(text);
      }),
      propertyOptions(),
    );
  });

  it('needs no escaping in a URL, in JSON or in an SSE line', () => {
    fc.assert(
      fc.property(positions, (map) => {
        const text = formatCursor(map);
        expect(encodeURIComponent(text)).to.equal(text);
        expect(JSON.stringify(text)).to.equal(`"${text}"`);
      }),
      propertyOptions(),
    );
  });

  it('has a form for no stream at all', () => {
    expect(formatCursor(new Map())).to.equal(EMPTY_CURSOR);
    expect(parseCursor('-')).to.deep.equal(new Map());
  });

  it('is as documented', () => {
    const text = 'market.k3x9Qa.1532~news.Zp81bd.77';
    expect([...parseCursor(text)!]).to.deep.equal([
      ['market', { epoch: 'k3x9Qa', seq: 1532 }],
      ['news', { epoch: 'Zp81bd', seq: 77 }],
    ]);
  });

  it('is refused if the hub did not make it', () => {
    const wrong = [
      '',
      ' ',
      '~',
      '--',
      'market',
      'market.abc',
      'market.abc.',
      'market..1',
      '.abc.1',
      'market.abc.1~',
      '~market.abc.1',
      'market.abc.1.2',
      'market.abc.-1',
      'market.abc.1e3',
      'market.abc.0x1',
      'market.abc.01',
      'market.abc.1.0',
      'market.abc. 1',
      'market.abc.1 ',
      'market.abc.1\n',
      'market.abc.9007199254740993',
      'market.abc.99999999999999999',
      'market.ab_c.1',
      `market.${'a'.repeat(17)}.1`,
      'Market.abc.1',
      '__proto__.abc.1',
      'market.abc.1~market.abc.2',
      'market.abc.1,news.abc.1',
      'market.abc.١',
    ];
    for (const text of wrong) expect(parseCursor(text), JSON.stringify(text)).to.equal(undefined);
  });

  it('is refused quickly, and never with an exception, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'.~-_a1Z0 \nµ'), maxLength: 40 }), (text) => {
        const parsed = parseCursor(text);
        if (parsed !== undefined && text !== EMPTY_CURSOR) expect(formatCursor(parsed)).to.equal(text);
      }),
      propertyOptions(),
    );
    const started = performance.now();
    for (const text of ['~'.repeat(1e5), '.'.repeat(1e5), 'a'.repeat(1e5), 'market.abc.1~'.repeat(1e4)]) {
      expect(parseCursor(text)).to.equal(undefined);
    }
    expect(performance.now() - started).to.be.lessThan(1_000);
  });

  it('has at most 64 streams', () => {
    const of = (count: number) => Array.from({ length: count }, (_, i) => `s${i}.abc.1`).join('~');
    expect(parseCursor(of(64))?.size).to.equal(64);
    expect(parseCursor(of(65))).to.equal(undefined);
  });
});
