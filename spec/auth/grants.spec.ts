import { parseTopic, type Topic, topicName } from '@axiom-streaming/protocol/topic';
import { expect } from 'chai';
import fc from 'fast-check';
import { Grants } from '../../server/auth/grants.js';
import { propertyOptions } from '../support/size.js';

const topic = (text: string): Topic => parseTopic(text)!;

describe('Grants', () => {
  it('allow what they name, and nothing else', () => {
    const grants = new Grants(['market:*', 'portfolio:p1'], 'alice');
    for (const allowed of ['market:AAPL', 'market:*', 'portfolio:p1']) {
      expect(grants.allow(topic(allowed)), allowed).to.equal(true);
    }
    for (const denied of ['portfolio:p2', 'portfolio:p11', 'portfolio:P1', 'signals:p1', 'markets:AAPL']) {
      expect(grants.allow(topic(denied)), denied).to.equal(false);
    }
  });

  it('of one key never allow the whole stream', () => {
    expect(new Grants(['portfolio:p1', 'portfolio:p2'], 'alice').allow(topic('portfolio:*'))).to.equal(false);
  });

  it('replace {sub} by the subject', () => {
    const grants = new Grants(['portfolio:{sub}', 'signals:{sub}/desk'], 'alice');
    expect(grants.allow(topic('portfolio:alice'))).to.equal(true);
    expect(grants.allow(topic('signals:alice/desk'))).to.equal(true);
    expect(grants.allow(topic('portfolio:bob'))).to.equal(false);
  });

  for (const sub of ['*', 'a:b', 'a b', '', 'x'.repeat(129)]) {
    it(`refuse the subject ${JSON.stringify(sub.slice(0, 10))} that would not be valid in a topic`, () => {
      expect(() => new Grants(['portfolio:{sub}'], sub)).to.throw(RangeError);
      expect(() => new Grants(['portfolio:p1'], sub)).not.to.throw();
    });
  }

  for (const pattern of ['*', '*:*', 'market', 'market:', 'market:A*', 'ma*:A', '{sub}:*', '{sub}', ':A']) {
    it(`refuse the pattern ${JSON.stringify(pattern)}`, () => {
      expect(() => new Grants([pattern], 'market')).to.throw(RangeError);
    });
  }

  it('never allow a topic that no pattern names (any patterns, any subject)', () => {
    const key = fc.constantFrom('*', 'p1', 'p2', 'alice', '{sub}', '{sub}x');
    const stream = fc.constantFrom('market', 'portfolio');
    const pattern = fc.tuple(stream, key).map(([name, k]) => `${name}:${k}`);
    fc.assert(
      fc.property(
        fc.array(pattern),
        fc.constantFrom('alice', 'p1', '*', 'a:b'),
        stream,
        key,
        (patterns, sub, s, k) => {
          let grants: Grants;
          try {
            grants = new Grants(patterns, sub);
          } catch {
            return;
          }
          const asked = parseTopic(topicName(s, k));
          if (asked === undefined || !grants.allow(asked)) return;
          const named = patterns.some((text) => {
            const [patternStream, patternKey = ''] = text.split(':');
            return patternStream === s && (patternKey === '*' || patternKey.replaceAll('{sub}', sub) === k);
          });
          expect(named).to.equal(true);
        },
      ),
      propertyOptions({ quick: 500, full: 2_000 }, 5),
    );
  });
});
