import { expect } from 'chai';
import { type Claim, SessionBudget } from '../../server/transports/socketio/session-budget.js';

const MAX = 4_000;

describe('The budget of sessions', () => {
  let now: number;
  let budget: SessionBudget;

  beforeEach(() => {
    now = 0;
    budget = new SessionBudget({ maxBytes: MAX, lastsMs: 100, now: () => now });
  });

  const session = (pid: string, bytes: number, ...accounts: string[]): Claim => ({
    pid,
    owner: `owner of ${pid}`,
    bytes,
    accounts,
  });
  const gone = (...pids: string[]) => pids.map((pid) => ({ pid, owner: `owner of ${pid}` }));

  it('lets the oldest sessions of clients that left go once an account has a quarter of the whole', () => {
    for (const pid of ['a', 'b', 'c', 'd']) {
      expect(budget.claim(session(pid, 250, 'address 1'))).to.deep.equal({ fits: true, evicted: [] });
      budget.park(pid);
    }
    expect(budget.claim(session('other', 250, 'address 2')).evicted).to.deep.equal([]);
    expect(budget.claim(session('e', 300, 'address 1'))).to.deep.equal({
      fits: true,
      evicted: gone('a', 'b'),
    });
    expect(budget.bytes).to.equal(250 + 250 + 300 + 250);
  });

  it('counts a session for its address and for its subject', () => {
    for (const [pid, address] of [
      ['a', '1'],
      ['b', '2'],
    ]) {
      budget.claim(session(pid!, 500, `address ${address}`, 'subject alice'));
      budget.park(pid!);
    }
    expect(budget.claim(session('c', 500, 'address 3', 'subject alice')).evicted).to.deep.equal(gone('a'));
  });

  it('lets no session of a living connection go, and refuses one for which there is no room', () => {
    for (const pid of ['a', 'b']) budget.claim(session(pid, 500, 'address 1'));
    expect(budget.claim(session('c', 1, 'address 1'))).to.deep.equal({ fits: false, evicted: [] });
    budget.park('a');
    expect(budget.claim(session('c', 1, 'address 1'))).to.deep.equal({ fits: true, evicted: gone('a') });
  });

  it('bounds all of them together, whosever they are', () => {
    for (let n = 0; n < 8; n++) {
      budget.claim(session(`s${n}`, 500, `address ${n}`));
      if (n < 4) budget.park(`s${n}`);
    }
    expect(budget.bytes).to.equal(MAX);
    expect(budget.claim(session('new', 600, 'address new'))).to.deep.equal({
      fits: true,
      evicted: gone('s0', 's1'),
    });
  });

  it('counts a session once, with its newest size, and not after it has ended', () => {
    budget.claim(session('a', 400, 'address 1'));
    budget.claim(session('a', 700, 'address 1'));
    expect(budget.bytes).to.equal(700);
    budget.park('a');
    now = 101;
    expect(budget.claim(session('b', 400, 'address 1'))).to.deep.equal({ fits: true, evicted: [] });
    expect(budget.bytes).to.equal(400);
    budget.release('b');
    expect(budget.bytes).to.equal(0);
  });

  it('counts as living what was taken up again', () => {
    budget.claim(session('a', 900, 'address 1'));
    budget.park('a');
    budget.claim({ ...session('a', 900, 'address 1'), owner: 'the next' });
    expect(budget.claim(session('b', 200, 'address 1'))).to.deep.equal({ fits: false, evicted: [] });
  });
});
