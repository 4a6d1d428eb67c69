/** Clients that an operator keeps away for a time. */

import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { nextAddress } from '../support/client.js';
import { call } from '../support/http.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { bearer, startSecuredApp, token } from './support.js';

const HOUR_MS = 3_600_000;

describe('A ban', () => {
  let app: RunningNode;
  let admin = '';
  const clients: { close(): void }[] = [];
  const kept = <T extends { close(): void }>(client: T): T => {
    clients.push(client);
    return client;
  };

  before(async () => {
    app = await startSecuredApp({ TRUST_PROXY: '127.0.0.1' });
    admin = await token({ sub: 'root', admin: true });
  });

  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  after(() => app?.stop());

  const ban = (what: object) => call('POST', `${app.url}/api/bans`, JSON.stringify(what), bearer(admin));
  const streams = (text: string, address: string) =>
    call('GET', `${app.url}/api/streams`, undefined, {
      Authorization: text === '' ? '' : `Bearer ${text}`,
      'X-Forwarded-For': address,
    });
  const connections = async () => {
    const { body } = await call<{ connections: { id: string; subject: string | null; address: string }[] }>(
      'GET',
      `${app.url}/api/connections`,
      undefined,
      bearer(admin),
    );
    return body.connections;
  };
  const connectionFrom = async (from: string) =>
    (await connections()).find(({ address }) => address === from)!.id;

  for (const transport of TRANSPORTS) {
    it(`of a subject ends its connections over ${transport}, and refuses it with any token until its time has passed`, async () => {
      const sub = `banned-${transport}`;
      kept(
        await subscribeOver(transport, { url: app.url, token: await token({ sub }) }, { topics: ['news:*'] }),
      );
      const has = async () => (await connections()).some(({ subject }) => subject === sub);
      expect(await has()).to.equal(true);
      const { status, body } = await ban({ sub, forMs: HOUR_MS });
      expect(status).to.equal(201);
      expect(body.until).to.be.closeTo(Date.now() + HOUR_MS, 60_000);
      await until('its connection is ended, and it does not come back', async () => !(await has()));

      const refused = await streams(await token({ sub }), nextAddress());
      expect(refused.status).to.equal(403);
      expect(refused.body.code).to.equal('banned');
      expect(Number(refused.headers.get('Retry-After'))).to.be.within(3_500, 3_600);

      expect((await ban({ sub, forMs: 0 })).status).to.equal(201);
      expect((await streams(await token({ sub }), nextAddress())).status).to.equal(200);
    });
  }

  it('is final for an unmodified Socket.IO client, which is told how long it lasts', async () => {
    const client = kept(await connectSocketIo({ url: app.url, token: await token({ sub: 'final' }) }));
    const refusal = new Promise<Error & { data?: object }>((resolve) =>
      client.socket.on('connect_error', resolve),
    );
    await ban({ sub: 'final', forMs: HOUR_MS });
    const { data } = await refusal;
    expect(data).to.include({ code: 'banned' });
    expect((data as { retryAfterMs: number }).retryAfterMs).to.be.within(3_500_000, HOUR_MS);
    expect(client.socket.active).to.equal(false);
  });

  it('of a connection is one of its subject, or of its address where it has none', async () => {
    const [own, other] = ['203.0.113.50', '203.0.113.51'];
    const known = kept(
      await WebSocketTestClient.connect({ url: app.url, address: own, token: await token({ sub: 'by-id' }) }),
    );
    const { body } = await ban({ connection: await connectionFrom(own), forMs: HOUR_MS });
    expect(body).to.include({ sub: 'by-id' });
    await until('it is closed', () => known.closeCodes.length > 0);
    expect(known.closeCodes[0]).to.equal(4403);
    expect((await streams('', own)).status, 'somebody else there').to.equal(200);

    const nobody = kept(await WebSocketTestClient.connect({ url: app.url, address: other, token: '' }));
    const answer = await ban({ connection: await connectionFrom(other), forMs: HOUR_MS });
    expect(answer.body).to.include({ address: other });
    await until('it is closed', () => nobody.closeCodes.length > 0);
    expect((await streams('', other)).body.code).to.equal('banned');
    expect((await streams(await token({ sub: 'guest' }), other)).body.code).to.equal('banned');
    expect((await streams('', '203.0.113.52')).status, 'elsewhere').to.equal(200);
  });

  it('ends by itself', async () => {
    await ban({ sub: 'short', forMs: 300 });
    const text = await token({ sub: 'short' });
    expect((await streams(text, nextAddress())).status).to.equal(403);
    await until('it is let in again', async () => (await streams(text, nextAddress())).status === 200);
  });

  for (const [name, body, code] of [
    ['nobody', { forMs: 1 }, 'bad_request'],
    ['two', { sub: 'a', connection: 'b', forMs: 1 }, 'bad_request'],
    ['no time', { sub: 'a' }, 'bad_request'],
    ['more than 30 days', { sub: 'a', forMs: 31 * 24 * HOUR_MS }, 'bad_request'],
    ['oneself', { sub: 'root', forMs: 1 }, 'bad_request'],
    ['a connection that is not there', { connection: 'none', forMs: 1 }, 'not_found'],
  ] as const) {
    it(`is refused of ${name}`, async () => {
      expect((await ban(body)).body.code).to.equal(code);
    });
  }
});
