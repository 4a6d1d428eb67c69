import { HubError, type Status } from '@axiom-streaming/client';
import { expect } from 'chai';
import { headline } from '../../web/src/live/headline.js';

describe('The line below the header of the page', () => {
  const LIVE = { state: 'connected', attempt: 0, since: Date.now(), node: 'node1' } as const;
  const line = (status: Partial<Status>, more: Partial<Parameters<typeof headline>[0]> = {}) =>
    headline({
      status: { ...LIVE, ...status },
      recovery: undefined,
      degraded: undefined,
      gaps: 0,
      events: [],
      ...more,
    });

  it('tells with which code a token was refused, why, and what to do', () => {
    const error = new HubError('token_expired', 'the token has expired');
    expect(line({ state: 'closed', error })).to.deep.equal([
      'bad',
      'Not connected: refused (token_expired), the token has expired. Open the connection panel to connect again.',
    ]);
  });

  it('tells a refusal after which it goes on trying', () => {
    expect(line({ state: 'refused', error: new HubError('banned', 'for 60 s') })).to.deep.equal([
      'bad',
      'The hub refuses this page (banned). Trying again automatically: for 60 s',
    ]);
  });

  it('speaks of no refusal where the page has closed the connection', () => {
    const [tone, text] = line({ state: 'closed' });
    expect([tone, text]).to.deep.equal([
      'bad',
      'Not connected: closed. Open the connection panel to connect again.',
    ]);
  });

  it('tells a refusal that passes from a hub that cannot be reached', () => {
    const attempt = { state: 'connecting', attempt: 2 } as const;
    expect(line({ ...attempt, error: new HubError('overloaded', 'too much waits') })).to.deep.equal([
      'bad',
      'The hub has refused the connection (overloaded). Trying again automatically: too much waits',
    ]);
    expect(line({ ...attempt, error: new HubError('unreachable', 'no route') })).to.deep.equal([
      'bad',
      'The hub cannot be reached. Trying again automatically: no route',
    ]);
    expect(line({ state: 'connecting', attempt: 1 })).to.deep.equal(['', 'Connecting …']);
  });

  it('is calm where nothing was lost, and tells a gap until the page is closed', () => {
    expect(line({})).to.deep.equal(['', 'Live. Nothing was lost since this page was opened.']);
    const events = [{ id: 1, at: 1, tone: 'bad', text: 'Gap in news' } as const];
    expect(line({}, { gaps: 1, events: [...events] })).to.deep.equal(['bad', 'Gap in news']);
  });
});
