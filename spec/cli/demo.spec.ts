import { expect } from 'chai';
import type { Account } from '../../server/cli/demo.js';
import { runCli } from './run-cli.js';

describe('The tour', () => {
  it('kills a node, loses nothing on any transport, and says so', async () => {
    const { code, json } = await runCli(['--json', 'demo']);
    const accounts = json() as unknown as (Account & { published: number })[];
    expect(accounts.map(({ transport }) => transport)).to.deep.equal(['socketio', 'websocket', 'sse']);
    for (const { published, received, missing, repeated, disordered, awayMs } of accounts) {
      expect({ received, missing, repeated, disordered }).to.deep.equal({
        received: published,
        missing: 0,
        repeated: 0,
        disordered: 0,
      });
      expect(published).to.equal(800);
      expect(awayMs, 'it was away').to.be.above(0);
    }
    expect(code).to.equal(0);
  });
});
