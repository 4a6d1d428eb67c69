/** A ticket is worth no more than the token that it was issued for. */
import { expect } from 'chai';
import { Bearer } from '../../server/auth/claims.js';
import { FOREVER } from '../../server/auth/listed.js';
import { MemoryTicketStore, Tickets } from '../../server/auth/tickets.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { call } from '../support/http.js';
import { until } from '../support/wait.js';
import { bearer, startSecuredApp, token } from './support.js';

describe('A ticket', () => {
  let app: RunningNode;
  let admin = '';

  before(async () => {
    app = await startSecuredApp();
    admin = await token({ sub: 'root', admin: true, publish: ['portfolio:*'] });
    await call('POST', `${app.url}/api/topics/portfolio:p1/messages`, '"secret"', bearer(admin));
  });
  after(() => app?.stop());

  const issue = (text: string) =>
    call<{ ticket: string; expiresInMs: number; code?: string }>(
      'POST',
      `${app.url}/api/tickets`,
      undefined,
      bearer(text),
    );
  /** What a stream that is opened with a ticket brings until it is told to stop; the code of a refusal. */
  async function redeem(
    ticket: string,
    enough: (text: string) => boolean = (text) => text.includes('secret'),
  ) {
    const abort = new AbortController();
    const response = await fetch(`${app.url}/stream?topics=portfolio:p1&rewind=1&ticket=${ticket}`, {
      signal: abort.signal,
    });
    if (response.status !== 200) return ((await response.json()) as { code: string }).code;
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (enough(text)) break;
    }
    abort.abort();
    return text;
  }
  const post = (path: string, what: object) =>
    call('POST', `${app.url}${path}`, JSON.stringify(what), bearer(admin));

  it('ends with its token, whatever clocks are forgiven for tokens', async () => {
    const ends = Math.floor(Date.now() / 1000) * 1000 + 2_000;
    const { status, body } = await issue(await token({ lastsS: 2, subscribe: ['portfolio:*'] }));
    expect(status).to.equal(201);
    expect(body.expiresInMs).to.be.at.most(2_000);
    await until('the token has ended', () => Date.now() > ends);
    expect(await redeem(body.ticket)).to.be.oneOf(['token_invalid', 'token_expired']);
  });

  it('is not issued for a token that has ended', async () => {
    expect((await issue(await token({ lastsS: -1, subscribe: ['portfolio:*'] }))).body.code).to.equal(
      'token_expired',
    );
  });

  it('ends with its token also where the store forgets it late', async () => {
    const identity = {
      sub: 'alice',
      issuedAt: 1,
      expiresAt: Date.now() - 1,
      streams: { subscribe: [], publish: [] },
      admin: false,
    };
    const late = { put: async () => undefined, take: async () => identity };
    const refused = await new Tickets(late, new Map())
      .redeem('any')
      .catch((error: { code: string }) => error.code);
    expect(refused).to.equal('token_expired');
    const bearerOf = (expiresAt: number) => new Bearer({ ...identity, expiresAt }, new Map());
    const { expiresInMs } = await new Tickets(new MemoryTicketStore(), new Map()).issue(bearerOf(FOREVER));
    expect(expiresInMs).to.equal(30_000);
  });

  for (const [what, act] of [
    ['revoked by its id', (id: string) => post('/api/revocations', { jti: id })],
    ['revoked by its subject', (sub: string) => post('/api/revocations', { sub })],
    ['banned', (sub: string) => post('/api/bans', { sub, forMs: 60_000 })],
  ] as const) {
    it(`is worth nothing once its owner was ${what}`, async () => {
      const { body } = await issue(await token({ sub: what, jti: what, subscribe: ['portfolio:*'] }));
      expect((await act(what)).status).to.equal(201);
      expect(await redeem(body.ticket)).to.be.oneOf(['token_revoked', 'banned']);
    });
  }

  it('opens a connection that ends with its token', async () => {
    const strict = await startSecuredApp({ JWT_LEEWAY_MS: '0' });
    try {
      const text = await token({ lastsS: 2, subscribe: ['portfolio:*'] });
      const { body } = await call('POST', `${strict.url}/api/tickets`, undefined, bearer(text));
      const response = await fetch(`${strict.url}/stream?topics=portfolio:p1&ticket=${body.ticket}`);
      expect(response.status).to.equal(200);
      const events = await response.text();
      expect(events, 'it ended by itself').to.include('event: position');
    } finally {
      await strict.stop();
    }
  });
});
