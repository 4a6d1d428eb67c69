import { expect } from 'chai';
import { MergedValue } from '../../../server/hub/queues/merged-value.js';

describe('Data laid over data', () => {
  const merged = (...texts: string[]) => {
    const [first = '', ...more] = texts;
    const value = new MergedValue(first);
    for (const text of more) value.add(text);
    return value.text;
  };

  it('has the newest value of each top-level field', () => {
    expect(JSON.parse(merged('{"bid":1,"ask":2}', '{"ask":3}', '{"size":4}'))).to.deep.equal({
      bid: 1,
      ask: 3,
      size: 4,
    });
  });

  it('takes a field as a whole, and null for a value', () => {
    expect(JSON.parse(merged('{"a":{"x":1,"y":2},"b":[1,2]}', '{"a":{"x":3},"b":null}'))).to.deep.equal({
      a: { x: 3 },
      b: null,
    });
  });

  it('leaves a single text as it is', () => {
    expect(merged(' { "a" : 1.0 } ')).to.equal(' { "a" : 1.0 } ');
  });

  for (const [what, texts, result] of [
    ['a number', ['{"a":1}', '7'], '7'],
    ['null', ['{"a":1}', 'null'], 'null'],
    ['a list', ['{"a":1}', '[{"a":2}]'], '[{"a":2}]'],
    ['an object after a string', ['"text {"', '{"a":1}'], '{"a":1}'],
    ['an object after a list', ['[1]', '{"a":1}'], '{"a":1}'],
  ] as const) {
    it(`is replaced by the newer one unless both are objects: ${what}`, () => {
      expect(merged(...texts)).to.equal(result);
    });
  }

  it('forgets the fields from before a value that is not an object', () => {
    expect(JSON.parse(merged('{"a":1}', '2', '{"b":3}', '{"c":4}'))).to.deep.equal({ b: 3, c: 4 });
  });

  it('treats a field named __proto__ like any other', () => {
    expect(merged('{"a":1}', '{"__proto__":{"polluted":true}}', '{"b":2}')).to.equal(
      '{"a":1,"__proto__":{"polluted":true},"b":2}',
    );
    expect(({} as { polluted?: boolean }).polluted).to.equal(undefined);
  });
});
