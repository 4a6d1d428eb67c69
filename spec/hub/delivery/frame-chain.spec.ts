import { expect } from 'chai';
import type { Frame } from '../../../server/hub/delivery/encoding.js';
import { FrameChain } from '../../../server/hub/delivery/frame-chain.js';

const frame = (text: string): Frame => ({ wire: Buffer.from(text) });

describe('A chain of frames', () => {
  const [a, b, c] = [frame('a'), frame('bb'), frame('ccc')] as [Frame, Frame, Frame];

  it('has its frames, and their bytes, in order', () => {
    const link = FrameChain.start().followedBy(a).followedBy(b).followedBy(c);
    expect(link.frames()).to.deep.equal([a, b, c]);
    expect(link.joined().toString()).to.equal('abbccc');
  });

  it('joins its bytes once, and copies nothing if there is only one frame', () => {
    const link = FrameChain.start().followedBy(a);
    expect(link.joined()).to.equal(a.wire);
    const longer = link.followedBy(b);
    expect(longer.joined()).to.equal(longer.joined());
  });

  it('is the same for all who get the same frames from the same start', () => {
    const start = FrameChain.start();
    const [one, other] = [start.followedBy(a).followedBy(b), start.followedBy(a).followedBy(b)];
    expect(one).to.equal(other);
  });

  it('parts where frames differ, and neither sees those of the other', () => {
    const shared = FrameChain.start().followedBy(a);
    const one = shared.followedBy(b);
    const other = shared.followedBy(c);
    const again = shared.followedBy(b);
    expect(one.joined().toString()).to.equal('abb');
    expect(other.joined().toString()).to.equal('accc');
    expect(again.joined().toString()).to.equal('abb');
    expect(shared.joined().toString()).to.equal('a');
  });

  it('takes frames for the same only when they are the same object', () => {
    const start = FrameChain.start();
    expect(start.followedBy(frame('x'))).not.to.equal(start.followedBy(frame('x')));
  });
});
