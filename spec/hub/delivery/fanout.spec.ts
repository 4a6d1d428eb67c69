import { expect } from 'chai';
import { Fanout, type FanoutReader } from '../../../server/hub/delivery/fanout.js';
import { StreamMessage } from '../../../server/hub/tail/stream-message.js';

class Reader implements FanoutReader {
  readonly keys = new Set<string>();
  apart = false;
  readonly taken: number[] = [];
  readonly got: number[] = [];
  take({ seq }: StreamMessage): void {
    this.taken.push(seq);
  }
  readonly outlet = {
    deliver: ({ seq }: StreamMessage) => {
      this.got.push(seq);
    },
  };
}

describe('The fan-out of a stream', () => {
  let fanout: Fanout<Reader>;
  let seq: number;

  const setKeys = (reader: Reader, ...keys: string[]) => {
    const before = new Set(reader.keys);
    reader.keys.clear();
    for (const key of keys) reader.keys.add(key);
    fanout.update(reader, before);
  };
  const deliver = (...keys: string[]) => {
    for (const key of keys) {
      seq += 1;
      fanout.deliver(new StreamMessage('news', { seq, time: 1, key, data: '0' }));
    }
  };
  const reader = (...keys: string[]) => {
    const made = new Reader();
    setKeys(made, ...keys);
    return made;
  };
  const readers = () => [...fanout.readers()];

  beforeEach(() => {
    fanout = new Fanout();
    seq = 0;
  });

  it('delivers a message to those who read its key or the whole stream', () => {
    const [a, ab, all, nobody] = [reader('a'), reader('a', 'b'), reader('*'), reader('c')];
    deliver('a', 'b', 'd');

    expect(a.got).to.deep.equal([1]);
    expect(ab.got).to.deep.equal([1, 2]);
    expect(all.got).to.deep.equal([1, 2, 3]);
    expect(nobody.got).to.deep.equal([]);
    expect(fanout.delivered).to.equal(6);
  });

  it('delivers once to a reader of the whole stream that also asked for the key', () => {
    const both = reader('a', '*');
    deliver('a', 'b');
    expect(both.got).to.deep.equal([1, 2]);
    setKeys(both, 'a', 'b', '*');
    deliver('a', 'b');
    expect(both.got).to.deep.equal([1, 2, 3, 4]);
  });

  it('goes back to the single keys when the whole stream is given up', () => {
    const one = reader('a', '*');
    setKeys(one, 'a');
    deliver('a', 'b');
    expect(one.got).to.deep.equal([1]);
  });

  it('lets an excluded reader decide by itself', () => {
    const [apart, shared] = [reader('a'), reader('a')];
    apart.apart = true;
    deliver('a');
    apart.apart = false;
    deliver('a');
    expect(apart.taken).to.deep.equal([1]);
    expect(apart.got).to.deep.equal([2]);
    expect(shared.got).to.deep.equal([1, 2]);
    expect(fanout.delivered, 'without what stands apart, which counts by itself').to.equal(3);
  });

  it('names every reader once, whatever it reads', () => {
    const [a, ab, all] = [reader('a'), reader('a', 'b', 'c'), reader('*', 'a')];
    expect(readers()).to.have.members([a, ab, all]);
    setKeys(ab);
    setKeys(all);
    expect(readers()).to.deep.equal([a]);
    setKeys(a);
    expect(readers()).to.deep.equal([]);
  });
});
