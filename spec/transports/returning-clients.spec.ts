/** Socket.IO clients that were here before and bring no cursor. */
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { connectSocketIo, type SocketIoTestClient } from '../support/socketio-client.js';

describe('A Socket.IO client that was here before and whose session is not resumed', () => {
  let app: RunningNode;
  const clients: SocketIoTestClient[] = [];

  before(async () => {
    app = await startTestApp();
  });

  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  after(() => app?.stop());

  async function connect(auth: Record<string, unknown>): Promise<SocketIoTestClient> {
    const client = await connectSocketIo({ url: app.url, auth });
    clients.push(client);
    return client;
  }

  const PID = 'Y7xcrVNSPHodHzV9AAAB';

  for (const [name, auth] of [
    ['an offset', { pid: PID, offset: 'news.older.7' }],
    ['no offset', { pid: PID }],
  ] as const) {
    it(`is told, with ${name}, in the acknowledgement of its first subscription without a cursor`, async () => {
      const client = await connect(auth);
      const first = await client.request('subscribe', { topics: ['news:*'] });
      expect(first).to.include({ ok: true, cursorMissing: true });
      const second = await client.request('subscribe', { topics: ['market:*'] });
      expect(second).to.include({ ok: true }).and.not.to.have.property('cursorMissing');
    });
  }

  it('is not told where it brings its cursor, nor one that is new', async () => {
    const [returning, fresh] = [await connect({ pid: PID }), await connect({})];
    const { cursor } = (await fresh.request('subscribe', { topics: ['news:*'] })) as unknown as {
      cursor: string;
    };
    const acks = [
      await fresh.request('subscribe', { topics: ['news:a'] }),
      await returning.request('subscribe', { topics: ['news:*'], since: cursor }),
      await returning.request('subscribe', { topics: ['market:*'] }),
    ];
    for (const ack of acks) expect(ack).to.include({ ok: true }).and.not.to.have.property('cursorMissing');
  });
});
