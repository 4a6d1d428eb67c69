import { expect } from 'chai';
import { until } from '../support/wait.js';
import { needsStream, type Target } from './target.js';
import { eachTestHasVisitor } from './visitor.js';

/** A session's cursor may not pass what its client has not seen. */
export function sessionCursor(target: Target): void {
  describe('A socket.io-client that was cut before it got anything of its first topic', () => {
    needsStream(target, 'news', 'log');
    const visitor = eachTestHasVisitor(target);

    for (const rewind of [undefined, 3]) {
      it(`loses nothing though it had subscribed to a second one${rewind ? ', with rewind' : ''}`, async () => {
        const [a, b] = [target.topic('news'), target.topic('news')];
        if (rewind !== undefined) await visitor().publishAll(a, ['missed']);
        const first = await visitor().connectSocketIo();
        await first.socket.timeout(5_000).emitWithAck('subscribe', { topics: [a], rewind });
        if (rewind === undefined) await visitor().publishAll(a, ['missed']);
        await first.socket.timeout(5_000).emitWithAck('subscribe', { topics: [b] });
        const pid = (first.socket as unknown as { _pid: string })._pid;
        first.cut();
        // It would come back for its session, and end the one that has it by then.
        first.close();

        const { events, seen } = await visitor().connectSocketIo({ auth: { pid, offset: '-' } });
        const told = events[0]?.[1] as { recovered: boolean };
        if (!told.recovered) return;
        await visitor().publish(a, 'live');
        await until('live comes', () => seen.data().includes('live'));
        expect(seen.data()).to.deep.equal(['missed', 'live']);
      });
    }
  });
}
