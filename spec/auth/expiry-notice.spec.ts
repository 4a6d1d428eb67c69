import { expect } from 'chai';
import { ExpiryNotice } from '../../server/auth/expiry-notice.js';

const S = 1_000;

describe('The notice of the end of a token', () => {
  /** When it is given within two minutes of looking each quarter of a second, s. `endAt` says which end is in force. */
  const told = (endAt: (nowMs: number) => number | undefined) => {
    const notice = new ExpiryNotice();
    const times: number[] = [];
    for (let now = 0; now <= 120 * S; now += 250) if (notice.isDue(endAt(now), now)) times.push(now / S);
    return times;
  };

  for (const [lastsS, atS] of [
    [30, 15],
    [60, 30],
    [90, 45],
    [120, 60],
    [150, 90],
  ] as const) {
    it(`comes once, after ${atS} s, where ${lastsS} s were left`, () => {
      expect(told(() => lastsS * S)).to.deep.equal([atS]);
    });
  }

  it('does not come where the token does not end', () => {
    expect(told(() => undefined)).to.deep.equal([]);
  });

  it('comes once for each token where each is renewed as soon as it comes', () => {
    let end = 30 * S;
    const notice = new ExpiryNotice();
    const times: number[] = [];
    for (let now = 0; now <= 60 * S; now += 250) {
      if (!notice.isDue(end, now)) continue;
      times.push(now / S);
      end = now + 30 * S;
    }
    // Each is first seen a quarter of a second after it was made.
    expect(times).to.have.length(3);
    expect(times[0]).to.equal(15);
  });
});
