/** How long a client without a token may stay. */
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { streamsFile } from '../support/streams-file.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { startSecuredApp, token } from './support.js';

const UNAUTHENTICATED_MS = 300;

describe('A client without a token', () => {
  let app: RunningNode;
  const clients: { close(): void }[] = [];
  const kept = <T extends { close(): void }>(client: T): T => {
    clients.push(client);
    return client;
  };

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await app?.stop();
  });

  const start = async (streams: object) => {
    app = await startSecuredApp({
      UNAUTHENTICATED_MS: String(UNAUTHENTICATED_MS),
      STREAMS_FILE: streamsFile(streams),
    });
  };

  const connect = async () => ({
    webSocket: kept(await WebSocketTestClient.connect({ url: app.url, token: '' })),
    socketIo: kept(await connectSocketIo({ url: app.url, token: '' })),
  });

  /** A connection that was there before is also older, by the clock that decides. */
  const longer = async () => {
    const since = Date.now();
    await until('the limit has passed twice', () => Date.now() - since > 2 * UNAUTHENTICATED_MS);
  };

  it('stays where a stream is public, and subscribes when it likes, over Socket.IO and WebSocket', async () => {
    await start({ news: { read: 'public' }, orders: { read: 'granted' } });
    const { webSocket, socketIo } = await connect();
    await longer();
    for (const client of [webSocket, socketIo])
      expect(await client.request('subscribe', { topics: ['news:*'] })).to.include({ ok: true });
    expect(webSocket.closeCodes).to.deep.equal([]);
    expect(socketIo.recovered, 'connects').to.deep.equal([false]);
  });

  it('is ended after a while where it may read nothing, unless it says who it is', async () => {
    await start({ news: { read: 'authenticated' } });
    const [idle, known] = [await connect(), await connect()];
    for (const client of [known.webSocket, known.socketIo])
      expect(await client.request('auth', { token: await token() })).to.include({ ok: true });
    await until('the idle one is closed', () => idle.webSocket.closeCodes.length > 0);
    expect(idle.webSocket.closeCodes[0]).to.equal(4401);
    await until('the other as well', () => idle.socketIo.recovered.length > 1);
    await longer();
    expect(known.webSocket.closeCodes).to.deep.equal([]);
    expect(known.socketIo.recovered).to.deep.equal([false]);
  });
});
