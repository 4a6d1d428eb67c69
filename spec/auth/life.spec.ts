/** A token's life on a connection that is there: it is told, renewed, ended. */

import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import type { TestClient } from '../support/client.js';
import { call } from '../support/http.js';
import { connectSocketIo, type SocketIoTestClient } from '../support/socketio-client.js';
import { subscribeOver } from '../support/subscribe.js';
import { patient, until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { bearer, startSecuredApp, token } from './support.js';

describe('A token on a live connection', () => {
  let app: RunningNode;
  let admin = '';
  const clients: { close(): void }[] = [];
  const kept = <T extends { close(): void }>(client: T): T => {
    clients.push(client);
    return client;
  };

  before(async () => {
    app = await startSecuredApp();
    admin = await token({ sub: 'root', admin: true, publish: ['portfolio:*'] });
  });

  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  after(() => app?.stop());

  const revoke = (what: object) =>
    call('POST', `${app.url}/api/revocations`, JSON.stringify(what), bearer(admin));
  const publish = (topic: string, data: unknown) =>
    call('POST', `${app.url}/api/topics/${topic}/messages`, JSON.stringify(data), bearer(admin));

  it('is about to end: the connection is told once how long it has, when half of a short life is over', async () => {
    const text = await token({ lastsS: 4, subscribe: ['portfolio:p1'] });
    const socket = kept(await WebSocketTestClient.connect({ url: app.url, token: text }));
    const socketIo = kept(await connectSocketIo({ url: app.url, token: text }));
    const told = () => socket.frames.filter(({ op }) => op === 'expiring');
    await until('both are told', () => socketIo.expiring.length > 0 && told().length > 0);
    for (const { expiresInMs } of [...told(), ...socketIo.expiring])
      expect(expiresInMs).to.be.within(0, 2_000);
    expect((await socket.request('auth', { token: text })).ok, 'the same token renews nothing').to.equal(
      true,
    );
    await until('it is closed', () => socket.closeCodes.length > 0);
    expect(told()).to.have.length(1);
    expect(socketIo.expiring).to.have.length(1);
  });

  it('is renewed by one of 4 s each time it is about to end: it is told every two seconds, not at once', async () => {
    const short = () => token({ lastsS: 4, subscribe: ['portfolio:p1'] });
    const socket = kept(await WebSocketTestClient.connect({ url: app.url, token: await short() }));
    const started = performance.now();
    const told = () => socket.frames.filter(({ op }) => op === 'expiring').length;
    for (const n of [1, 2, 3, 4]) {
      await until('it is told', () => told() >= n);
      expect(told(), 'once for each token').to.equal(n);
      expect((await socket.request('auth', { token: await short() })).ok).to.equal(true);
    }
    // A token has whole seconds, so up to one of its four may be over when it is made.
    expect(performance.now() - started).to.be.above(4 * 1_000);
    expect(socket.closeCodes).to.deep.equal([]);
  });

  it('ends: the connection is closed with 4401', async () => {
    const text = await token({ lastsS: 2, subscribe: ['portfolio:p1'] });
    const client = kept(
      await WebSocketTestClient.subscribe({ url: app.url, token: text }, { topics: ['portfolio:p1'] }),
    );
    await until('it is closed', () => client.closeCodes.length > 0);
    expect(client.closeCodes).to.deep.equal([4401]);
  });

  it('is renewed in place: the connection outlives the first token', async () => {
    const first = await token({ lastsS: 2, subscribe: ['portfolio:p1'] });
    const client = kept(
      await WebSocketTestClient.subscribe({ url: app.url, token: first }, { topics: ['portfolio:p1'] }),
    );
    const end = Date.now() + 2_000;
    const ack = await client.request('auth', { token: await token({ subscribe: ['portfolio:p1'] }) });
    expect(ack).to.deep.include({ ok: true, topics: ['portfolio:p1'], ended: [] });
    await until('the first token has ended', () => Date.now() > end + 1_000);
    await publish('portfolio:p1', 'after');
    await until('a message comes', () => client.seen.data().includes('after'));
    expect(client.closeCodes).to.deep.equal([]);
  });

  it('is replaced by a narrower one: what that does not allow is ended at once', async () => {
    const client = kept(
      await connectSocketIo({ url: app.url, token: await token({ subscribe: ['portfolio:*'] }) }),
    );
    await client.request('subscribe', {
      topics: ['portfolio:*', 'portfolio:w1', 'portfolio:w2', 'news:*'],
    });
    const ack = await client.request('auth', { token: await token({ subscribe: ['portfolio:w1'] }) });
    expect(ack.ended).to.have.members(['portfolio:*', 'portfolio:w2']);
    expect(ack.topics).to.have.members(['portfolio:w1', 'news:*']);
    await publish('portfolio:w2', 'not for you');
    await publish('portfolio:w1', 'for you');
    await until('a message comes', () => client.seen.data('portfolio:w1').length > 0);
    expect(client.seen.data('portfolio:w1')).to.deep.equal(['for you']);
    expect(client.seen.data('portfolio:w2')).to.deep.equal([]);
  });

  it('of somebody else is refused, and changes nothing', async () => {
    const client = kept(
      await connectSocketIo({ url: app.url, token: await token({ subscribe: ['portfolio:p1'] }) }),
    );
    await client.request('subscribe', { topics: ['portfolio:p1'] });
    const ack = await client.request('auth', {
      token: await token({ sub: 'bob', subscribe: ['portfolio:*'] }),
    });
    expect(ack.error?.code).to.equal('denied');
    expect((await client.request('subscribe', { topics: ['portfolio:*'] })).error?.code).to.equal('denied');
  });

  for (const transport of TRANSPORTS) {
    for (const [what, claims, revocation] of [
      ['its id', { jti: `by-id-${transport}` }, { jti: `by-id-${transport}` }],
      ['its subject', { sub: `by-sub-${transport}` }, { sub: `by-sub-${transport}` }],
    ] as const) {
      it(`is revoked by ${what}: the connection over ${transport} is ended within a second, and not let in again`, async () => {
        const text = await token({ ...claims, subscribe: ['portfolio:p1'] });
        const options = { url: app.url, token: text };
        const client: TestClient = kept(
          await subscribeOver(transport, options, { topics: ['portfolio:p1'] }),
        );
        const bystander = kept(
          await subscribeOver('websocket', { url: app.url, token: await token() }, { topics: ['news:*'] }),
        );
        const started = performance.now();
        expect((await revoke(revocation)).status).to.equal(201);
        await until('the connection is gone', () => client.seen.losses > 0);
        expect(performance.now() - started).to.be.below(patient(1_000));
        if (client instanceof WebSocketTestClient) expect(client.closeCodes[0]).to.equal(4401);
        client.close();
        const { status, body } = await call(
          'GET',
          `${app.url}/api/topics/portfolio:p1`,
          undefined,
          bearer(text),
        );
        expect([status, body.code]).to.deep.equal([401, 'token_revoked']);
        expect(bystander.seen.losses).to.equal(0);
      });
    }
  }

  it('issued after its subject was revoked is good again', async () => {
    const old = await token({ sub: 'carol' });
    await revoke({ sub: 'carol' });
    expect((await get(old)).status).to.equal(401);
    expect((await get(await token({ sub: 'carol' }))).status).to.equal(200);
  });

  const get = (text: string) => call('GET', `${app.url}/api/streams`, undefined, bearer(text));

  it('ends a connection that an operator cuts, and shows the others', async () => {
    const text = await token({ sub: 'dave' });
    const client = kept(
      await WebSocketTestClient.subscribe({ url: app.url, token: text }, { topics: ['news:*'] }),
    );
    const { body } = await call<{
      connections: { id: string; subject: string; topics: number; transport: string }[];
    }>('GET', `${app.url}/api/connections`, undefined, bearer(admin));
    const own = body.connections.find(({ subject }) => subject === 'dave')!;
    expect(own).to.deep.include({ transport: 'websocket', topics: 1 });
    const cut = () => call('DELETE', `${app.url}/api/connections/${own.id}`, undefined, bearer(admin));
    expect((await cut()).status).to.equal(204);
    await until('it is closed', () => client.closeCodes.length > 0);
    expect(client.closeCodes[0]).to.equal(4403);
    await until('it is gone from the list', async () => (await cut()).status === 404);
  });

  describe('of an unmodified Socket.IO client that comes back', () => {
    /** A client whose token is asked for at each connect. */
    async function client(tokens: () => Promise<string>, topics: string[]): Promise<SocketIoTestClient> {
      const connected = kept(await connectSocketIo({ url: app.url, tokens }));
      expect((await connected.request('subscribe', { topics })).ok).to.equal(true);
      return connected;
    }
    /** Closes it from the client's side of the WebSocket, so that the server knows at once. */
    const cut = ({ socket }: SocketIoTestClient) =>
      (socket.io.engine.transport as unknown as { ws: { close(): void } }).ws.close();
    const welcomes = ({ events }: SocketIoTestClient) =>
      events.filter(([name]) => name === 'welcome').map(([, info]) => info as Record<string, unknown>);

    it('lets it recover everything, also with another token', async () => {
      const reader = await client(() => token({ subscribe: ['portfolio:*'] }), ['portfolio:r1']);
      await publish('portfolio:r1', 1);
      await reader.received(1);
      cut(reader);
      await publish('portfolio:r1', 2);
      await reader.received(2);
      expect(reader.seen.data()).to.deep.equal([1, 2]);
      expect(reader.recovered).to.deep.equal([false, true]);
    });

    it('is what decides then: topics that it does not allow are denied, the others recovered', async () => {
      let subscribe = ['portfolio:*'];
      const reader = await client(() => token({ subscribe }), ['portfolio:n1', 'portfolio:n2']);
      await publish('portfolio:n1', 'before');
      await reader.received(1);
      subscribe = ['portfolio:n1'];
      cut(reader);
      await publish('portfolio:n2', 'not for you');
      await publish('portfolio:n1', 'after');
      await until('it is back', () => welcomes(reader).length === 2);
      expect(welcomes(reader)[1]).to.deep.include({ recovered: false, reason: 'denied' });
      expect(reader.recovered, 'the rest of its session is in force').to.deep.equal([false, true]);
      expect(welcomes(reader)[1]!.topics).to.have.deep.members([
        { topic: 'portfolio:n1', recovered: true },
        { topic: 'portfolio:n2', recovered: false, reason: 'denied' },
      ]);
      await reader.received(2);
      await publish('portfolio:n2', 'not for you either');
      await publish('portfolio:n1', 'last');
      await until('the last has come', () => reader.seen.data().includes('last'));
      expect(reader.seen.data()).to.deep.equal(['before', 'after', 'last']);
    });

    it('keeps it out when it was revoked meanwhile', async () => {
      const text = await token({ jti: 'meanwhile', subscribe: ['portfolio:*'] });
      const { socket, seen, recovered } = await client(async () => text, ['portfolio:v1']);
      const refusal = new Promise<Error & { data?: { code: string } }>((resolve) =>
        socket.on('connect_error', resolve),
      );
      await revoke({ jti: 'meanwhile' });
      await publish('portfolio:v1', 'not for you');
      expect((await refusal).data?.code).to.equal('token_revoked');
      expect(socket.active).to.equal(false);
      expect(recovered).to.deep.equal([false]);
      expect(seen.data()).to.deep.equal([]);
    });
  });
});
