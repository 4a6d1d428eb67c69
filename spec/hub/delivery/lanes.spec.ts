import { expect } from 'chai';
import type { Encoding, Frame } from '../../../server/hub/delivery/encoding.js';
import { StreamSets } from '../../../server/hub/delivery/lanes.js';
import { StreamMessage } from '../../../server/hub/tail/stream-message.js';
import type { StreamTail } from '../../../server/hub/tail/stream-tail.js';

const tailAt = (stream: string, epoch: string, last: number) =>
  ({ stream, epoch, last }) as unknown as StreamTail & { epoch: string; last: number };

/** An encoding that counts what it makes. */
function encoding(): Encoding & { readonly made: string[] } {
  const made: string[] = [];
  return {
    name: 'counting',
    made,
    encode: ({ text }, cursor): Frame => {
      made.push(`${cursor} ${text}`);
      return { wire: Buffer.from(text) };
    },
  };
}

const message = (seq: number) => new StreamMessage('news', { seq, time: 5, key: 'k', data: '1' });

describe('A set of streams', () => {
  const news = tailAt('news', 'N', 7);
  const market = tailAt('market', 'M', 3);

  it('is one and the same for the same streams in any order', () => {
    const sets = new StreamSets();
    expect(sets.of([news, market])).to.equal(sets.of([market, news]));
    expect(sets.of([news])).not.to.equal(sets.of([news, market]));
    expect(sets.of([])).to.equal(sets.of([]));
  });

  it('has the cursor of its tails, by name', () => {
    const sets = new StreamSets();
    expect(sets.of([news, market]).cursor()).to.equal('market.M.3~news.N.7');
    expect(sets.of([]).cursor()).to.equal('-');
  });

  it('makes a frame once for each message and encoding', () => {
    const sets = new StreamSets();
    const set = sets.of([news]);
    const [one, other] = [encoding(), encoding()];
    const first = message(7);
    const frames = [
      set.lane(one).frame(first),
      set.lane(one).frame(first),
      set.lane(other).frame(first),
      set.lane(one).frame(first),
    ];

    expect(frames[1]).to.equal(frames[0]);
    expect(frames[3]).to.equal(frames[0]);
    expect(one.made).to.deep.equal(['news.N.7 {"topic":"news:k","seq":7,"time":5,"data":1}']);
    expect(other.made).to.deep.equal(one.made);
  });

  it('puts into each frame the cursor of the moment of its message', () => {
    const tail = tailAt('news', 'N', 7);
    const set = new StreamSets().of([tail, market]);
    const counting = encoding();
    set.lane(counting).frame(message(7));
    (tail as { last: number }).last = 8;
    set.lane(counting).frame(message(8));

    expect(counting.made.map((line) => line.split(' ', 1)[0])).to.deep.equal([
      'market.M.3~news.N.7',
      'market.M.3~news.N.8',
    ]);
  });

  it('shares no frames between sets, since their cursors differ', () => {
    const sets = new StreamSets();
    const counting = encoding();
    const seven = message(7);
    const frames = [
      sets.of([news]).lane(counting).frame(seven),
      sets.of([news, market]).lane(counting).frame(seven),
    ];
    expect(frames[0]).not.to.equal(frames[1]);
    expect(counting.made.map((line) => line.split(' ', 1)[0])).to.deep.equal([
      'news.N.7',
      'market.M.3~news.N.7',
    ]);
  });
});
