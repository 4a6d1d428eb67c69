import { expect } from 'chai';
import type { Encoding, Frame } from '../../../server/hub/delivery/encoding.js';
import { Lanes } from '../../../server/hub/delivery/lanes.js';
import { StreamMessage } from '../../../server/hub/tail/stream-message.js';

const tailAt = (stream: string, epoch: string, last: number) => ({ stream, epoch, last });

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

describe('A lane', () => {
  const news = tailAt('news', 'N', 7);
  const market = tailAt('market', 'M', 3);

  it('is one and the same for the same streams in any order, and one encoding', () => {
    const lanes = new Lanes();
    const [one, other] = [encoding(), encoding()];
    expect(lanes.of([news, market], one)).to.equal(lanes.of([market, news], one));
    expect(lanes.of([news], one)).not.to.equal(lanes.of([news, market], one));
    expect(lanes.of([news], one)).not.to.equal(lanes.of([news], other));
    expect(lanes.of([], one)).to.equal(lanes.of([], one));
  });

  it('has the cursor of its tails, by name', () => {
    const lanes = new Lanes();
    expect(lanes.of([news, market], encoding()).cursor()).to.equal('market.M.3~news.N.7');
    expect(lanes.of([], encoding()).cursor()).to.equal('-');
  });

  it('makes a frame once for each message and encoding', () => {
    const lanes = new Lanes();
    const [one, other] = [encoding(), encoding()];
    const first = message(7);
    const frames = [
      lanes.of([news], one).frame(first),
      lanes.of([news], one).frame(first),
      lanes.of([news], other).frame(first),
      lanes.of([news], one).frame(first),
    ];

    expect(frames[1]).to.equal(frames[0]);
    expect(frames[3]).to.equal(frames[0]);
    expect(one.made).to.deep.equal(['news.N.7 {"topic":"news:k","seq":7,"time":5,"data":1}']);
    expect(other.made).to.deep.equal(one.made);
  });

  it('puts into each frame the cursor of the moment of its message', () => {
    const tail = tailAt('news', 'N', 7);
    const counting = encoding();
    const lane = new Lanes().of([tail, market], counting);
    lane.frame(message(7));
    tail.last = 8;
    lane.frame(message(8));

    expect(counting.made.map((line) => line.split(' ', 1)[0])).to.deep.equal([
      'market.M.3~news.N.7',
      'market.M.3~news.N.8',
    ]);
  });

  it('shares no frames with another one, since their cursors differ', () => {
    const lanes = new Lanes();
    const counting = encoding();
    const seven = message(7);
    const frames = [lanes.of([news], counting).frame(seven), lanes.of([news, market], counting).frame(seven)];
    expect(frames[0]).not.to.equal(frames[1]);
    expect(counting.made.map((line) => line.split(' ', 1)[0])).to.deep.equal([
      'news.N.7',
      'market.M.3~news.N.7',
    ]);
  });
});
