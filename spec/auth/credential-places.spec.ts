/** Where a credential may come from, beside the header that every program can set. */
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { call } from '../support/http.js';
import { ANONYMOUS, bearer, startSecuredApp, token } from './support.js';
import { type NodeWithTokens, startWithTokens } from './token-states.js';

describe('Who may', () => {
  let app: RunningNode;
  let tokens: NodeWithTokens['tokens'];

  before(async () => {
    ({ app, tokens } = await startWithTokens());
  });
  after(() => app?.stop());

  describe('come by', () => {
    const stream = async (query: string, headers: Record<string, string> = {}) => {
      const abort = new AbortController();
      const response = await fetch(`${app.url}/stream?topics=portfolio:p1${query}`, {
        headers,
        signal: abort.signal,
      });
      const code = response.status === 200 ? undefined : ((await response.json()) as { code: string }).code;
      abort.abort();
      return code === undefined ? '200' : `${response.status} ${code}`;
    };

    it('a cookie, for event streams alone', async () => {
      const cookie = { Cookie: `theme=dark; axiom_token=${tokens.right}` };
      expect(await stream('', cookie)).to.equal('200');
      expect(await stream('', { Cookie: `axiom_token=${tokens.expired}` })).to.equal('401 token_expired');
      const { status } = await call('POST', `${app.url}/api/topics/news:a/messages`, '1', {
        ...ANONYMOUS,
        ...cookie,
      });
      expect(status).to.equal(401);
      expect(
        (await call('GET', `${app.url}/api/topics/portfolio:p1`, undefined, { ...ANONYMOUS, ...cookie }))
          .status,
      ).to.equal(401);
    });

    it('a ticket, once', async () => {
      const { body } = await call<{ ticket: string; expiresInMs: number }>(
        'POST',
        `${app.url}/api/tickets`,
        undefined,
        bearer(tokens.right),
      );
      expect(body.expiresInMs).to.equal(30_000);
      expect(await stream(`&ticket=${body.ticket}`)).to.equal('200');
      expect(await stream(`&ticket=${body.ticket}`)).to.equal('401 token_invalid');
      expect(await stream('&ticket=guess')).to.equal('401 token_invalid');
    });

    it('an API key, which is stored as a hash', async () => {
      const { mkdtempSync, writeFileSync, rmSync } = await import('node:fs');
      const { createApiKey } = await import('../../server/auth/api-keys.js');
      const dir = mkdtempSync('/tmp/axiom-spec-keys-');
      const { key, hash } = createApiKey();
      writeFileSync(
        `${dir}/keys.json`,
        JSON.stringify({ feeder: { hash, streams: { publish: ['news:*'] } } }),
      );
      const keyed = await startSecuredApp({ API_KEYS_FILE: `${dir}/keys.json`, JWT_SECRET: '' });
      try {
        const publish = (topic: string, text: string) =>
          call('POST', `${keyed.url}/api/topics/${topic}/messages`, '1', bearer(text));
        expect((await publish('news:a', key)).status).to.equal(201);
        expect((await publish('market:a', key)).status).to.equal(403);
        expect((await publish('news:a', `${key}x`)).body.code).to.equal('token_invalid');
        expect((await publish('news:a', hash)).body.code).to.equal('token_invalid');
        expect((await publish('news:a', await token({ publish: ['news:*'] }))).body.code).to.equal(
          'token_invalid',
        );
      } finally {
        await keyed.stop();
        rmSync(dir, { recursive: true });
      }
    });

    it('no address: a token in a query is refused, and not repeated', async () => {
      for (const name of ['token', 'access_token', 'auth']) {
        const response = await fetch(`${app.url}/stream?topics=news:a&${name}=${tokens.right}`);
        const text = await response.text();
        expect(response.status).to.equal(400);
        expect(text).not.to.include(tokens.right);
      }
    });
  });
});
