import { type ConnectOptions, connect, type HubClient, type TokenSource } from '@axiom-streaming/client';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { bearer, startSecuredApp, token } from '../auth/support.js';
import { call } from '../support/http.js';
import { until } from '../support/wait.js';

const BAN_MS = 4_000;
/** An address at which nobody listens. */
const NOBODY = 'http://127.0.0.1:1';

describe('The client library, where the hub refuses it', () => {
  let app: RunningNode;
  let client: HubClient | undefined;

  before(async () => {
    app = await startSecuredApp();
  });
  afterEach(() => client?.close());
  after(() => app.stop());

  const open = (options: ConnectOptions) => {
    client = connect({ url: app.url, maxBackoffMs: 100, ...options });
    return client;
  };
  const thrown = (promise: Promise<unknown>) => promise.catch((error: unknown) => error);

  for (const transport of ['socketio', 'websocket', 'sse'] as const) {
    it(`says so over ${transport} once a second new token is refused, and goes on trying`, async () => {
      let asked = 0;
      let good = false;
      const hub = open({
        transport,
        token: () => {
          asked += 1;
          return good ? token() : `no token at all, ${asked}`;
        },
      });
      expect(await thrown(hub.ready)).to.include({ name: 'HubError', code: 'token_invalid' });
      expect(asked).to.equal(2);
      expect(hub.status).to.deep.include({ state: 'refused', attempt: 2 });
      expect(await thrown(hub.ready), 'at once, too').to.equal(hub.status.error);
      expect(await thrown(hub.publish('news:a', 1)), 'nothing waits').to.equal(hub.status.error);
      good = true;
      await until('it is there', () => hub.status.state === 'connected');
      await hub.ready;
    });

    it(`comes back over ${transport} when a ban has passed, and does not knock before`, async () => {
      const sub = `banned-${transport}`;
      const admin = bearer(await token({ sub: 'root', admin: true }));
      const body = JSON.stringify({ sub, forMs: BAN_MS });
      const { status } = await call('POST', `${app.url}/api/bans`, body, admin);
      expect(status).to.equal(201);
      let asked = 0;
      const hub = open({
        transport,
        token: () => {
          asked += 1;
          return token({ sub });
        },
      });
      const error = await thrown(hub.ready);
      expect(error).to.include({ name: 'HubError', code: 'banned' });
      expect(error).to.have.property('retryAfterMs').that.is.within(1, BAN_MS);
      expect(hub.status.state).to.equal('refused');
      await until('it is back', () => hub.status.state === 'connected');
      expect(asked, 'its tries').to.equal(2);
    });

    it(`names the address over ${transport} at which nobody answers`, async () => {
      const hub = open({ transport, url: NOBODY, connectionWaitMs: 1_000 });
      const error = await thrown(hub.publish('news:a', 1));
      expect(error).to.include({ name: 'HubError', code: 'unreachable' });
      expect((error as Error).message).to.include(NOBODY);
    });
  }

  it('says that its source of tokens failed, and how, and asks it again', async () => {
    let fails = true;
    const hub = open({
      token: () => {
        if (fails) throw new Error('the login has ended');
        return token();
      },
    });
    await until('it has failed twice', () => hub.status.attempt >= 2);
    expect(hub.status.error).to.include({
      code: 'token_unavailable',
      message: 'token() failed: Error: the login has ended',
    });
    fails = false;
    await hub.ready;
    expect(hub.status).to.include({ state: 'connected', transport: 'socketio' });
  });

  for (const source of [null, undefined, '', () => null, async () => undefined] as TokenSource[]) {
    it(`is nobody with ${typeof source === 'function' ? 'a source of ' : ''}${JSON.stringify(typeof source === 'function' ? 'nothing' : source)} for a token`, async () => {
      const hub = open({ transport: 'sse', token: source });
      await hub.subscribe('news:a', () => undefined).ready;
    });
  }
});
