import { expect } from 'chai';
import { reconnectStorm } from '../../bench/reconnect.js';
import { patient } from '../support/wait.js';

const CLIENTS = 200;

describe('When a node dies with all its clients', () => {
  it('they catch up on the others with few reads of the log, and the clients there go on', async () => {
    const result = await reconnectStorm({
      clients: CLIENTS,
      others: 20,
      perSecond: 100,
      // Nothing is recovered from memory, and backfills take turns.
      env: { WINDOW_BYTES: '0', MAX_CONCURRENT_BACKFILLS: '4' },
    });
    expect(result).to.include({ caughtUp: CLIENTS, notRecovered: 0, wrong: 0, lostOthers: 0 });
    expect(result.lastMs).to.be.below(patient(15_000));
    expect(result.rangeReads).to.be.within(1, CLIENTS / 2);
  });
});
