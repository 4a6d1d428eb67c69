/** Socket.IO clients that leave large sessions behind. */
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { SECRET } from '../auth/support.js';
import { startTestApp } from '../http/test-app.js';
import { connectSocketIo, type SocketIoTestClient } from '../support/socketio-client.js';
import { until } from '../support/wait.js';

const MIB = 1024 * 1024;
const TOPICS = Array.from({ length: 250 }, (_, n) => `news:${String(n).padStart(128, 'k')}`);
const SESSION_BYTES = TOPICS.length * TOPICS[0]!.length;

describe('Socket.IO sessions that clients leave behind', () => {
  let app: RunningNode;
  const clients: SocketIoTestClient[] = [];

  before(async () => {
    app = await startTestApp({ JWT_SECRET: SECRET, PUBLISH_KEY: '', SESSIONS_MAX_BYTES: String(MIB) });
  });

  after(async () => {
    for (const client of clients) client.close();
    await app?.stop();
  });

  /** Subscribes, and is cut off without a word. @returns what it would come back with */
  async function park(address: string, topics: readonly string[]) {
    const client = await connectSocketIo({ url: app.url, address, token: '' });
    clients.push(client);
    const ack = (await client.request('subscribe', { topics })) as unknown as { cursor: string };
    const { _pid: pid } = client.socket as unknown as { readonly _pid: string };
    client.socket.io.reconnection(false);
    client.cut();
    await until('it is gone', () => !client.socket.connected);
    return { pid, offset: ack.cursor };
  }

  /** What `welcome` says to one that comes back. */
  async function comesBack(address: string, auth: { pid: string; offset: string }): Promise<unknown> {
    const client = await connectSocketIo({ url: app.url, address, token: '', auth, keepsCursor: false });
    clients.push(client);
    return client.events.find(([name]) => name === 'welcome')![1];
  }

  it('make room for newer ones of their address, and for nobody else', async () => {
    const neighbour = await park('10.1.1.1', ['news:a', 'market:*']);
    const parked: { pid: string; offset: string }[] = [];
    const fit = Math.floor(MIB / 4 / SESSION_BYTES);
    for (let n = 0; n < fit + 3; n++) parked.push(await park('10.2.2.2', TOPICS));
    expect(await comesBack('10.2.2.2', parked.at(-1)!), 'the newest').to.include({ recovered: true });
    expect(await comesBack('10.2.2.2', parked[0]!), 'the oldest').to.include({
      recovered: false,
      reason: 'session_expired',
    });
    expect(await comesBack('10.1.1.1', neighbour), 'the neighbour').to.include({ recovered: true });
  });

  it('have fewer topics where the client has no token', async () => {
    const client = await connectSocketIo({ url: app.url, token: '' });
    clients.push(client);
    const ack = await client.request('subscribe', { topics: [...TOPICS, 'news:one-more'] });
    expect(ack.error).to.include({ code: 'too_many_topics', field: 'topics' });
  });
});
