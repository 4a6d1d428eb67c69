import { expect } from 'chai';
import * as ws from 'ws';
import { textFrame } from '../../server/transports/server-frame.js';

/** How `ws` itself makes frames. It is no part of its types. */
const { Sender } = ws as unknown as {
  Sender: {
    frame(
      data: Buffer,
      options: { fin: boolean; opcode: number; mask: boolean; readOnly: boolean },
    ): Buffer[];
  };
};

const byWs = (text: string) =>
  Buffer.concat(Sender.frame(Buffer.from(text), { fin: true, opcode: 1, mask: false, readOnly: false }));

describe('A text frame', () => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]) {
    it(`of ${length} bytes is the one that ws makes`, () => {
      const text = 'x'.repeat(length);
      expect(textFrame(text).equals(byWs(text))).to.equal(true);
    });
  }

  it('counts bytes, not characters', () => {
    for (const text of ['é'.repeat(63), '🚀'.repeat(40), 'µ€🚀'.repeat(7_300)]) {
      expect(textFrame(text).equals(byWs(text)), `${text.length} characters`).to.equal(true);
    }
  });
});
