import { expect } from 'chai';
import { MessageDeque } from '../../../server/hub/tail/message-deque.js';
import { StreamMessage } from '../../../server/hub/tail/stream-message.js';

const message = (seq: number) => new StreamMessage('news', { seq, time: 1, key: 'k', data: '1' });
const WEIGHT = message(1).weight;

describe('A deque of messages', () => {
  const filled = (count: number, maxBytes = Number.POSITIVE_INFINITY) => {
    const deque = new MessageDeque(maxBytes);
    for (let seq = 1; seq <= count; seq++) deque.push(message(seq));
    return deque;
  };

  it('gives its messages in the order in which they came, and knows what is left', () => {
    const deque = filled(3);
    expect(deque.shift()?.seq).to.equal(1);
    expect([deque.oldest?.seq, deque.newest?.seq]).to.deep.equal([2, 3]);
    expect(deque).to.include({ size: 2, bytes: 2 * WEIGHT });
    expect([deque.shift()?.seq, deque.shift()?.seq, deque.shift()]).to.deep.equal([2, 3, undefined]);
    expect(deque).to.include({ size: 0, bytes: 0, oldest: undefined, newest: undefined });
  });

  it('overflows above its bytes, and never with one message alone', () => {
    const deque = filled(3, 2 * WEIGHT);
    expect(deque.overflows).to.equal(true);
    deque.shift();
    expect(deque.overflows).to.equal(false);
    expect(filled(1, 0).overflows).to.equal(false);
    expect(filled(2, 0).overflows).to.equal(true);
  });

  it('is read by index from its oldest message on, however many were taken before', () => {
    const deque = filled(10_000);
    for (let seq = 1; seq <= 7_000; seq++) {
      expect(deque.shift()?.seq).to.equal(seq);
      deque.push(message(10_000 + seq));
      const [at, slice] = [deque.at(2), deque.slice(1, 2)];
      if (at?.seq !== seq + 3 || slice.map((one) => one.seq).join() !== `${seq + 2},${seq + 3}`)
        expect.fail(`wrong after ${seq} were taken`);
    }
    expect(deque).to.include({ size: 10_000, bytes: 10_000 * WEIGHT });
    expect(deque.newest?.seq).to.equal(17_000);
  });

  it('is empty once it is cleared', () => {
    const deque = filled(5);
    deque.clear();
    expect(deque).to.include({ size: 0, bytes: 0 });
    deque.push(message(9));
    expect(deque.oldest?.seq).to.equal(9);
  });
});
