import { expect } from 'chai';
import type { Session } from 'socket.io-adapter';
import { HubError } from '../../server/errors.js';
import { silentLogger } from '../../server/logger.js';
import { Resumer, type Resumption, sessionVerdict } from '../../server/transports/socketio/resume.js';
import { MemorySessionStore, type StoredSession } from '../../server/transports/socketio/sessions.js';
import { STREAMS, TestHub } from '../hub/support.js';

const PID = 'private-id_1';
const CLAIM = { owner: 'this connection', subject: undefined };

describe('A returning Socket.IO client', () => {
  let test: TestHub;
  let store: MemorySessionStore;
  let resumer: Resumer;
  let ended: string[];

  beforeEach(async () => {
    test = await TestHub.start();
    store = new MemorySessionStore(60_000);
    ended = [];
    resumer = new Resumer({
      hub: test.hub,
      sessions: store,
      logger: silentLogger,
      endOldConnection: (sid) => ended.push(sid),
    });
    await test.publishMany(10, 'news:a', 'market:a');
  });

  afterEach(() => test.stop());

  const cursor = (...positions: [stream: string, seq: number][]) =>
    positions.map(([stream, seq]) => test.cursor(stream, seq)).join('~');

  async function restore(session: Partial<StoredSession>, offset: string): Promise<Session | null> {
    await store.save(PID, 'before', { sid: 'sid-1', topics: [], cursor: '-', ...session });
    return resumer.restore(PID, offset, CLAIM);
  }

  const resumptionOf = (session: Session | null) => (session!.data as { resumption: Resumption }).resumption;

  it('gets its session back, with its rooms and without packets that were missed', async () => {
    const session = await restore({ topics: ['news:a', 'market:*'] }, cursor(['market', 3], ['news', 2]));
    expect(session).to.deep.include({
      sid: 'sid-1',
      pid: PID,
      rooms: ['news:a', 'market:*'],
      missedPackets: [],
    });
    expect(resumptionOf(session)).to.deep.equal({
      resumed: ['news:a', 'market:*'],
      since: cursor(['news', 2], ['market', 3]),
      fresh: [],
      conflations: new Map(),
    });
    expect(ended).to.deep.equal(['sid-1']);
    expect(resumer.whyNotResumed(PID)).to.equal(undefined);
  });

  it('continues from its subscription in a stream of which it has seen nothing since', async () => {
    const session = await restore(
      { topics: ['news:a', 'signals:*'], cursor: cursor(['news', 1], ['signals', 0]) },
      '-',
    );
    expect(resumptionOf(session)).to.deep.equal({
      resumed: ['news:a', 'signals:*'],
      since: cursor(['news', 1], ['signals', 0]),
      fresh: [],
      conflations: new Map(),
    });
  });

  it('starts over in a "state" stream of which it has seen nothing: its snapshot may not have arrived', async () => {
    const session = await restore(
      { topics: ['market:a', 'news:a'], cursor: cursor(['market', 4], ['news', 1]) },
      cursor(['news', 3]),
    );
    expect(resumptionOf(session)).to.deep.equal({
      resumed: ['news:a'],
      since: cursor(['news', 3]),
      fresh: ['market:a'],
      conflations: new Map(),
    });
    expect(session?.rooms).to.deep.equal(['market:a', 'news:a']);
  });

  it('comes back to nothing where it read nothing', async () => {
    expect(resumptionOf(await restore({}, '-'))).to.deep.equal({
      resumed: [],
      since: '-',
      fresh: [],
      conflations: new Map(),
    });
  });

  it('keeps what was conflated', async () => {
    const conflations = {
      'news:a': { mode: 'merge', maxRate: 0.5 },
      'market:*': { mode: 'latest', maxRate: 10 },
    } as const;
    const session = await restore({ topics: ['news:a', 'market:*'], conflations }, cursor(['news', 2]));
    expect(resumptionOf(session)).to.deep.equal({
      resumed: ['news:a'],
      since: cursor(['news', 2]),
      fresh: ['market:*'],
      conflations: new Map(Object.entries(conflations)),
    });
  });

  describe('starts over, and is told why once,', () => {
    it('when its session is that of another subject, whose connection goes on', async () => {
      const session = await restore({ topics: ['news:a'], subject: 'alice' }, cursor(['news', 2]));
      expect(session).to.equal(null);
      expect(resumer.whyNotResumed(PID)).to.deep.equal({ reason: 'denied' });
      expect(ended).to.deep.equal([]);
    });

    it('when it reads a stream of which its session knows nothing: what it subscribed to last was not stored', async () => {
      const offset = cursor(['news', 2], ['market', 3]);
      expect(await restore({ topics: ['news:a'] }, offset)).to.equal(null);
      expect(resumer.whyNotResumed(PID)).to.deep.equal({ reason: 'session_expired' });
    });

    it('when its session has expired', async () => {
      expect(await resumer.restore(PID, cursor(['news', 1]), CLAIM)).to.equal(null);
      expect(resumer.whyNotResumed(PID)).to.deep.equal({ reason: 'session_expired' });
      expect(resumer.whyNotResumed(PID)).to.equal(undefined);
      expect(ended).to.deep.equal([]);
    });

    it('when its cursor is invalid', async () => {
      expect(await restore({ topics: ['news:a'] }, 'hello')).to.equal(null);
      expect(resumer.whyNotResumed(PID)).to.deep.equal({ reason: 'no_position' });
    });

    it('when one of its topics cannot be recovered: never partly', async () => {
      const session = await restore(
        { topics: ['news:a', 'market:a'] },
        `${cursor(['news', 2])}~market.older.3`,
      );
      expect(session).to.equal(null);
      expect(resumer.whyNotResumed(PID)).to.deep.equal({
        reason: 'epoch_changed',
        topics: [
          { topic: 'news:a', recovered: true },
          { topic: 'market:a', recovered: false, reason: 'epoch_changed' },
        ],
      });
      expect(ended).to.deep.equal([]);
    });

    it('when its cursor is ahead of the log', async () => {
      expect(await restore({ topics: ['news:a'] }, cursor(['news', 99]))).to.equal(null);
      expect(resumer.whyNotResumed(PID)?.reason).to.equal('ahead');
    });

    it('when what it missed is trimmed', async () => {
      await test.stop();
      test = await TestHub.start({
        streams: STREAMS.map((stream) => ({ ...stream, maxMessages: 10 })),
        limits: { windowBytes: 0 },
      });
      resumer = new Resumer({
        hub: test.hub,
        sessions: store,
        logger: silentLogger,
        endOldConnection: () => undefined,
      });
      for (let n = 0; n < 5; n++) await test.publishMany(10, 'news:a');
      expect(await restore({ topics: ['news:a'] }, cursor(['news', 3]))).to.equal(null);
      expect(resumer.whyNotResumed(PID)?.reason).to.equal('trimmed');
    });
  });

  it('is told the reason of the first topic that is lost; conflated ones are not', () => {
    const [fine, begun] = [{ topic: 'a:a', recovered: true } as const, { topic: 'a:b' }];
    const conflated = { topic: 'a:c', recovered: false, reason: 'conflated' } as const;
    const lost = (reason: 'trimmed' | 'denied') => ({ topic: 'a:d', recovered: false, reason }) as const;
    expect(sessionVerdict([])).to.deep.equal({ recovered: true });
    expect(sessionVerdict([begun, conflated, fine])).to.deep.equal({ recovered: true });
    expect(sessionVerdict([fine, conflated, lost('trimmed'), lost('denied')])).to.deep.equal({
      recovered: false,
      reason: 'trimmed',
    });
  });

  it('that brings no id of the hub’s making is not looked for', async () => {
    let asked = 0;
    store.take = async () => {
      asked += 1;
      return null;
    };
    for (const pid of [
      '',
      'short',
      'x'.repeat(65),
      'has blank_id',
      '{axiom}:nodes',
      'a:b:c:d:e:f',
      'line\nbreak',
    ]) {
      expect(await resumer.restore(pid, '-', CLAIM), pid).to.equal(null);
    }
    expect(asked).to.equal(0);
  });

  it('is not resumed where the node does not have a stream of its session, and is told which topics are lost', async () => {
    const lost = { topic: 'ledger:a', recovered: false, reason: 'no_position' };
    for (const offset of [cursor(['news', 2]), `${cursor(['news', 2])}~ledger.abc.7`]) {
      expect(await restore({ topics: ['news:a', 'ledger:a'] }, offset)).to.equal(null);
      expect(resumer.whyNotResumed(PID)).to.deep.equal({
        reason: 'no_position',
        topics: [lost, { topic: 'news:a', recovered: true }],
      });
    }
    await store.remove(PID, CLAIM.owner);
    expect(await restore({ topics: ['ledger:a'] }, '-')).to.equal(null);
    expect(resumer.whyNotResumed(PID)).to.deep.equal({ reason: 'no_position', topics: [lost] });
    expect(ended).to.deep.equal([]);
  });

  it('waits for a store that is briefly unreachable', async () => {
    const take = store.take.bind(store);
    let failures = 3;
    store.take = async (...args) => {
      if (failures-- > 0) throw new HubError('log_unavailable', 'Redis is out of reach');
      return take(...args);
    };
    const session = await restore({ topics: ['news:a'] }, cursor(['news', 2]));
    expect(session?.sid).to.equal('sid-1');
    expect(failures).to.equal(-1);
  });

  it('waits for a log that does not answer for a moment', async () => {
    const judge = test.hub.recovery.judge.bind(test.hub.recovery);
    let failures = 3;
    test.hub.recovery.judge = async (...args) => {
      if (failures-- > 0) throw new HubError('log_unavailable', 'Redis did not answer');
      return judge(...args);
    };
    const session = await restore({ topics: ['news:a'] }, cursor(['news', 2]));
    expect(session?.sid).to.equal('sid-1');
    expect(failures).to.equal(-1);
  });

  it('is told that it starts over if its session cannot be looked up', async () => {
    test.hub.recovery.judge = async () => {
      throw new Error('a fault');
    };
    expect(await restore({ topics: ['news:a'] }, cursor(['news', 2]))).to.equal(null);
    expect(resumer.whyNotResumed(PID)).to.deep.equal({ reason: 'session_expired' });
  });
});
