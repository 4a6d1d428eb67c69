import { flawOf, hasEndlessNumber } from '@axiom-streaming/protocol/json';
import { expect } from 'chai';
import fc from 'fast-check';
import { propertyOptions } from '../support/size.js';

describe('The data of a message', () => {
  it('may be whatever JSON says', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(flawOf(value)).to.equal(undefined);
        expect(hasEndlessNumber(JSON.stringify(value))).to.equal(false);
      }),
      propertyOptions({ quick: 200, full: 2_000 }),
    );
  });

  it('is named by what JSON cannot say, however deep it lies', () => {
    const cases: [value: unknown, flaw: RegExp][] = [
      [Number.POSITIVE_INFINITY, /64-bit float/],
      [[{ a: Number.NaN }], /64-bit float/],
      [{ a: [2n ** 64n] }, /whole number/],
      [{ a: Buffer.from('x') }, /bytes/],
      [[new ArrayBuffer(1)], /bytes/],
    ];
    for (const [value, flaw] of cases) expect(flawOf(value)).to.match(flaw);
    let deep: unknown = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(flawOf(deep)).to.match(/64-bit float/);
  });

  it('has a number without an end in whatever way it is written, and not in a text', () => {
    const nines = '9'.repeat(300);
    for (const json of ['1e999', '[-1e999]', '{"a":1E+309}', `${nines}e10`, '9'.repeat(310), '0.001e400']) {
      expect(hasEndlessNumber(json), json).to.equal(true);
    }
    for (const json of ['1e308', '"1e999"', '{"a1e999":1}', '1e-999', nines, '0e999', `"${nines}${nines}"`]) {
      expect(hasEndlessNumber(json), json).to.equal(false);
    }
  });
});
