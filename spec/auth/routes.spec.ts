/**
 * Every route of HTTP, with every state of a token: what is answered, by status or code. What the route itself does is
 * other specs' matter; here it is whether it is let through.
 */
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import { ERRORS } from '../../server/errors.js';
import { errorsOf, ROUTES } from '../../server/http/api-documents/routes.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { call } from '../support/http.js';
import { ANONYMOUS, bearer } from './support.js';
import { type NodeWithTokens, REFUSED, STATES, startWithTokens } from './token-states.js';

interface Way {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly none: string;
  readonly narrow: string;
  readonly right: string;
  /** It looks at no token at all. */
  readonly open?: true;
  /** Only an administrator is right here. */
  readonly admin?: true;
}

const OPEN = { none: '200', narrow: '200', right: '200', open: true } as const;
const DENIED = { none: '401 token_missing', narrow: '403 denied' } as const;

const WAYS: readonly Way[] = [
  { name: 'health', method: 'GET', path: '/health', ...OPEN },
  { name: 'liveness', method: 'GET', path: '/health/live', ...OPEN },
  { name: 'readiness', method: 'GET', path: '/health/ready', ...OPEN },
  // Without a token the private network is let in; a token that is sent has to be an administrator's.
  {
    name: 'metrics',
    method: 'GET',
    path: '/metrics',
    none: '200',
    narrow: '404 not_found',
    right: '200',
    admin: true,
  },
  { name: 'nodes', method: 'GET', path: '/api/nodes', none: '200', narrow: '200', right: '200' },
  { name: 'streams', method: 'GET', path: '/api/streams', none: '200', narrow: '200', right: '200' },
  {
    name: 'a public stream',
    method: 'GET',
    path: '/api/streams/news',
    none: '200',
    narrow: '200',
    right: '200',
  },
  { name: 'a granted stream', method: 'GET', path: '/api/streams/signals', ...DENIED, right: '200' },
  {
    name: 'a public topic',
    method: 'GET',
    path: '/api/topics/news:a',
    none: '200',
    narrow: '200',
    right: '200',
  },
  { name: 'a granted topic', method: 'GET', path: '/api/topics/portfolio:p1', ...DENIED, right: '200' },
  {
    name: 'a granted stream as a topic',
    method: 'GET',
    path: '/api/topics/portfolio:*',
    ...DENIED,
    right: '200',
  },
  {
    name: 'public history',
    method: 'GET',
    path: '/api/topics/news:a/messages',
    none: '200',
    narrow: '200',
    right: '200',
  },
  {
    name: 'granted history',
    method: 'GET',
    path: '/api/topics/portfolio:p1/messages',
    ...DENIED,
    right: '200',
  },
  {
    name: 'history of a granted stream',
    method: 'GET',
    path: '/api/topics/portfolio:*/messages',
    ...DENIED,
    right: '200',
  },
  {
    name: 'publishing',
    method: 'POST',
    path: '/api/topics/portfolio:p1/messages',
    body: '1',
    ...DENIED,
    right: '201',
  },
  {
    name: 'publishing where all may read',
    method: 'POST',
    path: '/api/topics/news:a/messages',
    body: '1',
    ...DENIED,
    right: '201',
  },
  {
    name: 'publishing many',
    method: 'POST',
    path: '/api/messages',
    body: '[{"topic":"portfolio:p1","data":1}]',
    none: '401 token_missing',
    narrow: '200 denied',
    right: '200',
  },
  {
    name: 'a ticket',
    method: 'POST',
    path: '/api/tickets',
    none: '401 token_missing',
    narrow: '201',
    right: '201',
  },
  {
    name: 'revoking',
    method: 'POST',
    path: '/api/revocations',
    body: '{"jti":"nobody"}',
    ...DENIED,
    right: '201',
    admin: true,
  },
  {
    name: 'banning',
    method: 'POST',
    path: '/api/bans',
    body: '{"sub":"nobody","forMs":0}',
    ...DENIED,
    right: '201',
    admin: true,
  },
  { name: 'connections', method: 'GET', path: '/api/connections', ...DENIED, right: '200', admin: true },
  {
    name: 'one connection',
    method: 'GET',
    path: '/api/connections/x',
    ...DENIED,
    right: '404 not_found',
    admin: true,
  },
  {
    name: 'cutting one',
    method: 'DELETE',
    path: '/api/connections/x',
    ...DENIED,
    right: '404 not_found',
    admin: true,
  },
  {
    name: 'an event stream of all',
    method: 'GET',
    path: '/stream?topics=news:a',
    none: '200',
    narrow: '200',
    right: '200',
  },
  { name: 'an event stream', method: 'GET', path: '/stream?topics=portfolio:p1', ...DENIED, right: '200' },
  {
    name: 'an event stream of a stream',
    method: 'GET',
    path: '/stream?topics=portfolio:*',
    ...DENIED,
    right: '200',
  },
  {
    name: 'recovery by event stream',
    method: 'GET',
    path: '/stream?topics=news:a,portfolio:p1&since=-',
    ...DENIED,
    right: '200',
  },
  {
    name: 'an event stream with its topics in the body',
    method: 'POST',
    path: '/stream',
    body: '{"topics":["portfolio:p1"]}',
    ...DENIED,
    right: '200',
  },
  {
    name: 'a subscription of event streams',
    method: 'POST',
    path: '/stream/subscriptions',
    body: '{"topics":["portfolio:p1"]}',
    none: '201',
    narrow: '201',
    right: '201',
  },
];

describe('Who may', () => {
  let app: RunningNode;
  let tokens: NodeWithTokens['tokens'];
  let admins: NodeWithTokens['admins'];

  before(async () => {
    ({ app, tokens, admins } = await startWithTokens());
  });
  after(() => app?.stop());

  for (const way of WAYS) {
    for (const state of STATES) {
      const refused = way.path === '/metrics' ? '404 not_found' : REFUSED[state];
      const expected = way[state as 'none' | 'narrow' | 'right'] ?? (way.open ? '200' : refused);
      it(`use ${way.name} with the token "${state}": ${expected}`, async () => {
        const text = (way.admin ? admins : tokens)[state];
        const headers = text === '' ? ANONYMOUS : bearer(text);
        expect(await answer(way, headers)).to.equal(expected);
        expect(documented(way), 'what /openapi.json says').to.include(expected.replace('200 denied', '200'));
      });
    }
  }

  /** What the document of HTTP says that may come. */
  function documented({ method, path }: Way): string[] {
    const route = ROUTES.find(
      (one) =>
        one.method === method.toLowerCase() &&
        new RegExp(`^${one.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(path.split('?')[0]!),
    );
    const errors = errorsOf(route!).map((code: ErrorCode) => `${ERRORS[code].status} ${code}`);
    return [...route!.answers.map(({ status }) => String(status)), ...errors];
  }

  async function answer({ method, path, body }: Way, headers: Record<string, string>): Promise<string> {
    if (path.startsWith('/stream') && !path.startsWith('/stream/')) {
      const abort = new AbortController();
      const sent = headers.Authorization === '' ? {} : headers;
      const response = await fetch(app.url + path, {
        method,
        headers: sent,
        signal: abort.signal,
        ...(body === undefined ? {} : { body }),
      });
      const { status } = response;
      const text = status === 200 ? '' : await response.text();
      abort.abort();
      return status === 200 ? '200' : `${status} ${(JSON.parse(text) as { code: string }).code}`;
    }
    const answered = await call<
      { code?: string; results?: { ok: boolean; error?: { code: string } }[] } | string
    >(method, app.url + path, body, headers);
    const { body: said, status } = answered;
    if (status === 401) expect(answered.headers.get('www-authenticate')).to.match(/^Bearer/);
    const code = typeof said === 'string' ? undefined : (said.code ?? said.results?.[0]?.error?.code);
    return code === undefined ? String(status) : `${status} ${code}`;
  }

  it('a stream that is not theirs is in no list', async () => {
    const names = async (headers: Record<string, string>) =>
      (
        await call<{ streams: { name: string }[] }>('GET', `${app.url}/api/streams`, undefined, headers)
      ).body.streams.map(({ name }) => name);
    expect(await names(ANONYMOUS)).to.deep.equal(['market', 'news', 'system']);
    expect(await names(bearer(tokens.narrow))).to.deep.equal(['market', 'news', 'portfolio', 'system']);
    expect(await names(bearer(tokens.right))).to.deep.equal([
      'market',
      'news',
      'portfolio',
      'signals',
      'system',
    ]);
  });

  it('shows only the granted part of a stream', async () => {
    await call('POST', `${app.url}/api/topics/portfolio:p2/messages`, '1', bearer(tokens.right));
    const { body } = await call<{ topics: string[] }>(
      'GET',
      `${app.url}/api/streams/portfolio`,
      undefined,
      bearer(tokens.narrow),
    );
    expect(body.topics).to.deep.equal(['portfolio:p2']);
  });
});
