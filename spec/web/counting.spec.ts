import { expect } from 'chai';
import { numberOf, textOf } from '../../web/src/live/fields.js';
import {
  ago,
  amount,
  count,
  direction,
  messages,
  NONE,
  percentOf,
  signedAmount,
} from '../../web/src/live/format.js';
import { Latency } from '../../web/src/live/latency.js';
import { Rate } from '../../web/src/live/rate.js';
import { StreamRecord } from '../../web/src/live/stream-record.js';
import { reasonText, sourceText, transportText } from '../../web/src/live/words.js';

describe('The page counts', () => {
  it('messages per second over the last full seconds, and forgets older ones', () => {
    const rate = new Rate();
    for (let ms = 10_000; ms < 15_000; ms += 100) rate.add(ms);
    expect(rate.perSecond(15_000)).to.equal(10);
    rate.add(15_500, 1_000);
    expect(rate.perSecond(15_900), 'the second that runs is left out').to.equal(10);
    expect(rate.perSecond(30_000)).to.equal(0);
  });

  it('delay beyond the shortest, whatever the difference of the clocks', () => {
    const latency = new Latency();
    expect(latency.percentile(0.5)).to.equal(undefined);
    for (let ms = 0; ms < 100; ms++) latency.add(ms - 5_000, 1);
    expect(latency.percentile(0.5)).to.equal(50);
    expect(latency.percentile(1)).to.equal(99);
  });

  it('seqs that were left out, once a subscription has settled', () => {
    const record = new StreamRecord('market', 'state');
    record.begin(0);
    expect([record.take(5, undefined, 100), record.take(9, undefined, 200)]).to.deep.equal([0, 0]);
    expect(record.isSettled(2_000)).to.equal(true);
    expect(record.take(10, undefined, 2_000)).to.equal(0);
    expect(record.take(14, undefined, 2_001)).to.equal(3);
    expect(record.missing).to.equal(3);
  });

  it('no loss if a message stands for others, or comes twice', () => {
    const record = new StreamRecord('market', 'state');
    record.begin(0);
    record.take(1, undefined, 3_000);
    expect(record.take(8, 6, 3_001)).to.equal(0);
    expect(record.take(8, undefined, 3_002)).to.equal(0);
    expect(record).to.include({ conflated: 6, missing: 0, received: 3, lastSeq: 8 });
  });
});

describe('The page writes', () => {
  it('numbers with a dash for missing values and a real minus sign', () => {
    expect([count(1234567), count(undefined), amount(-2.5), amount(0.01234)]).to.deep.equal([
      '1,234,567',
      NONE,
      '−2.50',
      '0.0123',
    ]);
    expect([signedAmount(2), signedAmount(0), percentOf(0.205)]).to.deep.equal(['+2.00', '0.00', '20.5%']);
    expect([direction(1), direction(-1), direction(0), direction(undefined)]).to.deep.equal([
      'up',
      'down',
      '',
      '',
    ]);
  });

  it('how long ago, in the unit that says enough', () => {
    expect([1_000, 59_000, 61_000, 7_300_000, -5].map(ago)).to.deep.equal([
      'now',
      '59 s ago',
      '1 min ago',
      '2 h ago',
      'now',
    ]);
    expect([messages(1), messages(2_000)]).to.deep.equal(['1 message', '2,000 messages']);
  });

  it('words of the protocol as sentences, and those that it does not know as they are', () => {
    expect(reasonText('trimmed')).to.equal('the log no longer holds them');
    expect([reasonText('of_tomorrow'), reasonText(undefined)]).to.deep.equal([
      'of_tomorrow',
      'no reason given',
    ]);
    expect([sourceText('replay'), sourceText('mine')]).to.deep.equal([
      'replay: past prices played back, nothing live',
      'mine',
    ]);
    expect([transportText('sse'), transportText(undefined)]).to.deep.equal(['SSE', 'no transport']);
  });

  it('fields only if they are of the right type, because anyone may publish any JSON', () => {
    expect([numberOf({ a: 1 }, 'a'), numberOf({ a: '1' }, 'a'), numberOf(null, 'a')]).to.deep.equal([
      1,
      undefined,
      undefined,
    ]);
    expect([textOf({ a: 'x' }, 'a'), textOf({ a: '' }, 'a'), textOf({}, 'toString')]).to.deep.equal([
      'x',
      undefined,
      undefined,
    ]);
    expect(textOf({ a: 'x'.repeat(1_000) }, 'a')).to.have.length(300);
  });
});
