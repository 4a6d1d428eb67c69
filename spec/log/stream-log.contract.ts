/**
 * What every stream log promises, whatever keeps it. `server/log/stream-log.ts` states the duties; both implementations
 * are held to them here.
 */
import { expect } from 'chai';
import { HubError } from '../../server/errors.js';
import { itAppends } from './appending.contract.js';
import { itIsBounded } from './bounds.contract.js';
import { itDeletes } from './deleting.contract.js';
import { itHasEpochs } from './epochs.contract.js';
import { itKeeps } from './keeping.contract.js';
import { LogUnderTest, numbered, type OpenLog, rejection } from './log-under-test.js';

/** Holds a log to every duty, within the `describe` that calls this. */
export function itIsAStreamLog(open: OpenLog): void {
  const at = new LogUnderTest(open);
  beforeEach(() => at.openWith({}));

  itAppends(at);
  itKeeps(at);
  itDeletes(at);
  itHasEpochs(at);
  itIsBounded(at);

  it('is available, and says so to its follower', async () => {
    expect(at.log.available).to.equal(true);
    expect(at.follower.resumptions).to.equal(1);
    expect(at.follower.interruptions).to.equal(0);
  });

  it('rejects what concerns a stream that it does not have', async () => {
    const calls: (() => Promise<unknown>)[] = [
      () => at.log.append('sport', numbered(1)),
      () => at.log.check('sport', 0),
      () => at.log.rotate('sport', null),
      () => at.log.range('sport', 1, 2, 3),
      () => at.log.lastValues('sport'),
      () => at.log.clear('sport'),
    ];
    for (const call of calls) {
      const error = await rejection(call());
      expect(error).to.be.instanceOf(HubError);
      expect(error).to.include({ code: 'unknown_stream' });
    }
  });
}
