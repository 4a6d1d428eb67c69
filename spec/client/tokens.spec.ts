import type { ConnectOptions, Gap, Status } from '@axiom-streaming/client';
import { connect, type HubClient } from '@axiom-streaming/client';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { ANONYMOUS, bearer, startSecuredApp, token } from '../auth/support.js';
import { call, publish } from '../support/http.js';
import { until } from '../support/wait.js';

const TOPIC = 'signals:alice';
const allowed = (lastsS: number) => token({ lastsS, subscribe: [TOPIC], publish: [TOPIC] });

describe('The client library, where tokens end', () => {
  let app: RunningNode;
  let client: HubClient | undefined;

  before(async () => {
    app = await startSecuredApp();
  });
  afterEach(() => client?.close());
  after(() => app.stop());

  /** A client that has counted what it asked for, and what it was told. */
  const open = (options: ConnectOptions) => {
    const seen = { data: [] as unknown[], gaps: [] as Gap[], states: [] as Status['state'][] };
    client = connect({ url: app.url, maxBackoffMs: 100, ...options });
    client.on('gap', (gap) => seen.gaps.push(gap));
    client.on('status', ({ state }) => {
      if (seen.states.at(-1) !== state) seen.states.push(state);
    });
    return { client, seen };
  };
  const publishOne = async (data: unknown) => {
    const { status } = await publish(app.url, TOPIC, data, bearer(await allowed(60)));
    expect(status).to.equal(201);
  };

  for (const transport of ['socketio', 'websocket'] as const) {
    it(`renews its token in place over ${transport} before the old one expires`, async () => {
      let asked = 0;
      // The second lasts longer than the notice of an end is given before it.
      const { client, seen } = open({ transport, token: () => allowed(++asked === 1 ? 3 : 300) });
      await client.subscribe(TOPIC, ({ data }) => seen.data.push(data)).ready;
      await until('it was asked again', () => asked === 2);
      const endOfFirst = Date.now() + 3_500;
      await until('the first has ended', () => Date.now() > endOfFirst);
      await publishOne('after the end of the first');
      await until('it still reads', () => seen.data.length === 1);
      expect(asked).to.equal(2);
      expect(seen.states.slice(seen.states.indexOf('connected'))).to.deep.equal(['connected']);
    });
  }

  for (const transport of ['socketio', 'websocket', 'sse'] as const) {
    it(`asks once for each notice over ${transport} where tokens are short, however many it reads`, async () => {
      let asked = 0;
      const source = () => {
        asked += 1;
        return allowed(4);
      };
      const { client, seen } = open({ transport, token: source });
      const started = performance.now();
      // Over SSE three streams, each of which is told of the end.
      await client.subscribe(TOPIC, ({ data }) => seen.data.push(data)).ready;
      await client.subscribe('news:a', () => undefined).ready;
      await client.subscribe('news:b', () => undefined).ready;
      await until('it has asked for four', () => asked >= 4);
      // A token has whole seconds: between three and four of them, so the notice comes after one and a half at least.
      expect(performance.now() - started).to.be.above(3 * 1_500 - 250);
      await until('it reads', () => /connected|recovering/.test(client.status.state));
      await publishOne('with the fourth');
      await until('it still reads', () => seen.data.length === 1);
      expect(seen.gaps).to.deep.equal([]);
    });

    it(`neither stops reading over ${transport} nor asks on and on where the source has the same token for a while`, async () => {
      const text = await allowed(6);
      let asked = 0;
      let same = true;
      const source = () => {
        asked += 1;
        return same ? text : allowed(300);
      };
      const { client, seen } = open({ transport, token: source });
      await client.subscribe(TOPIC, ({ data }) => seen.data.push(data)).ready;
      await until('it was told, and has asked', () => asked === 2);
      expect(seen.states.at(-1), 'the stream was not opened again').to.equal('connected');
      same = false;
      await until('it has asked again', () => asked === 3);
      await publishOne('with another token');
      await until('it still reads', () => seen.data.length === 1);
      expect(asked).to.equal(3);
    });
  }

  it('resumes over sse with the token that it asks for before the old one ends', async () => {
    let asked = 0;
    const { client, seen } = open({ transport: 'sse', token: () => allowed(++asked === 1 ? 3 : 300) });
    await client.subscribe(TOPIC, ({ data }) => seen.data.push(data)).ready;
    await until('it was asked again', () => asked === 2);
    await publishOne(1);
    await until('what came meanwhile is here', () => seen.data.length === 1);
    expect(seen.gaps).to.deep.equal([]);
  });

  for (const transport of ['socketio', 'websocket', 'sse'] as const) {
    it(`comes back over ${transport} with another token when its own is revoked, and misses nothing`, async () => {
      let n = 0;
      const source = () => {
        n += 1;
        return token({ jti: `${transport}-${n}`, lastsS: 300, subscribe: [TOPIC] });
      };
      const { client, seen } = open({ transport, token: source });
      await client.subscribe(TOPIC, ({ data }) => seen.data.push(data)).ready;
      await publishOne('before');
      await until('the first is here', () => seen.data.length === 1);
      const admin = bearer(await token({ admin: true }));
      const body = JSON.stringify({ jti: `${transport}-${n}` });
      expect((await call('POST', `${app.url}/api/revocations`, body, admin)).status).to.equal(201);
      await until('it is away', () => seen.states.includes('reconnecting'));
      await publishOne('meanwhile');
      await until('the rest is here', () => seen.data.length === 2);
      expect(seen.data).to.deep.equal(['before', 'meanwhile']);
      expect(seen.gaps).to.deep.equal([]);
    });
  }

  for (const transport of ['socketio', 'websocket', 'sse'] as const) {
    it(`ends over ${transport} with the hub's reason where a fixed token is not accepted`, async () => {
      const { client } = open({ transport, token: 'no token at all' });
      await until('it is closed', () => client.status.state === 'closed');
      expect(client.status.error).to.include({ code: 'token_invalid' });
      const refused = await client.ready.catch((error: unknown) => error);
      expect(refused, 'what waits for it is refused for the same reason').to.equal(client.status.error);
      expect(await client.publish(TOPIC, 1).catch((error: unknown) => error)).to.equal(refused);
    });

    it(`reads public streams over ${transport} without a token, and is refused others`, async () => {
      const { client, seen } = open({ transport });
      await client.subscribe('news:public', ({ data }) => seen.data.push(data)).ready;
      const refused = await client.subscribe(TOPIC).ready.catch((error: unknown) => error);
      expect(refused).to.include({ code: 'token_missing' });
      await publish(app.url, 'news:public', 1, bearer(await token({ publish: ['news:*'] })));
      await until('the public one goes on', () => seen.data.length === 1);
      const denied = await client.publish('news:public', 2).catch((error: unknown) => error);
      expect(denied).to.include({ code: 'token_missing' });
      expect((await call('GET', `${app.url}/api/streams`, undefined, ANONYMOUS)).status).to.equal(200);
    });
  }
});
