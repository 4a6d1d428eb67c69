import { isKey, isStreamName, parseTopic, topicName } from '@axiom-streaming/protocol/topic';
import { expect } from 'chai';
import fc from 'fast-check';
import { propertyOptions } from '../support/size.js';

describe('A topic', () => {
  it('is a stream and a key', () => {
    expect(parseTopic('market:AAPL')).to.deep.equal({ stream: 'market', key: 'AAPL' });
    expect(parseTopic('my-stream_2:a/b.c-d_e')).to.deep.equal({ stream: 'my-stream_2', key: 'a/b.c-d_e' });
    expect(parseTopic('market:*')).to.deep.equal({ stream: 'market', key: '*' });
  });

  it('is read as it was written', () => {
    const stream = fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/);
    const key = fc.stringMatching(/^[A-Za-z0-9._\-/]{1,128}$/);
    fc.assert(
      fc.property(stream, key, (name, part) => {
        expect(parseTopic(topicName(name, part))).to.deep.equal({ stream: name, key: part });
      }),
      propertyOptions(),
    );
  });

  it('is nothing else', () => {
    const wrong = [
      '',
      ':',
      'market',
      'market:',
      ':AAPL',
      'market:AAPL:more',
      'Market:AAPL',
      '1market:AAPL',
      'market :AAPL',
      'market: AAPL',
      'market:A*',
      'market:**',
      'market:AÄ',
      'market:AAPL\n',
      'market\n:AAPL',
      'market:"',
      `market:${'x'.repeat(129)}`,
      `${'m'.repeat(33)}:x`,
      '__proto__:x',
    ];
    for (const text of wrong) expect(parseTopic(text), JSON.stringify(text)).to.equal(undefined);
  });

  it('never has a character that would need escaping in JSON, a URL or an SSE line', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'aZ0._-/*:~"\\ \n\u2028µ'), maxLength: 6 }),
        (text) => {
          const topic = parseTopic(`m:${text}`);
          if (topic !== undefined) expect(topic.key).to.match(/^(\*|[\w.\-/]+)$/);
        },
      ),
      propertyOptions(),
    );
  });

  it('has a key of 1 to 128 characters, and a stream of 1 to 32', () => {
    expect([isKey('x'), isKey('x'.repeat(128)), isKey(''), isKey('x'.repeat(129)), isKey('*')]).to.deep.equal(
      [true, true, false, false, false],
    );
    expect([isStreamName('x'), isStreamName('x'.repeat(32)), isStreamName('x'.repeat(33))]).to.deep.equal([
      true,
      true,
      false,
    ]);
  });
});
