import { messageText } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';

describe('The text of a message', () => {
  it('is the JSON of the message, with its data as it was', () => {
    const text = messageText(
      'market:AAPL',
      1532,
      1763900000000,
      '{"price": 187.20,"n":12345678901234567890}',
    );
    expect(text).to.equal(
      '{"topic":"market:AAPL","seq":1532,"time":1763900000000,"data":{"price": 187.20,"n":12345678901234567890}}',
    );
    expect(JSON.parse(text)).to.deep.include({ topic: 'market:AAPL', seq: 1532, time: 1763900000000 });
  });
});
