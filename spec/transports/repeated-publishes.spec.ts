/** The Socket.IO client library can repeat what was not acknowledged in time, by its options `retries` and `ackTimeout`. */
import type { Ack } from '@axiom-streaming/protocol/answers';
import { expect } from 'chai';
import { io, type Socket } from 'socket.io-client';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { SPEC_KEY } from '../support/credentials.js';
import { get, publish } from '../support/http.js';
import { until } from '../support/wait.js';

describe('A publish that the client library repeats by itself', () => {
  let app: RunningNode;
  let socket: Socket | undefined;

  before(async () => {
    app = await startTestApp();
  });

  afterEach(() => socket?.disconnect());

  after(() => app?.stop());

  it('is appended once if it has an id', async () => {
    // Too short for any acknowledgement, so each publish is repeated, on this connection and after a cut.
    const client = io(app.url, {
      transports: ['websocket'],
      auth: { token: SPEC_KEY },
      retries: 30,
      ackTimeout: 1,
      reconnectionDelay: 10,
      forceNew: true,
    });
    socket = client;
    let sent = 0;
    client.onAnyOutgoing(() => {
      sent += 1;
      if (sent === 2) client.io.engine.close();
    });
    let acknowledged: Ack<'publish'> | undefined;
    client.emit(
      'publish',
      { topic: 'news:repeat', data: 1, id: 'once' },
      (_error: unknown, ack: Ack<'publish'>) => {
        acknowledged = ack;
      },
    );
    await until('it was sent more than twice', () => sent > 2 || acknowledged !== undefined);
    await until('it is stored', async () => (await stored()).length > 0);
    expect((await publish(app.url, 'news:repeat', 2)).status).to.equal(201);
    expect(await stored()).to.deep.equal([1, 2]);
  });

  async function stored(): Promise<unknown[]> {
    const { body } = await get<{ messages: { data: unknown }[] }>(
      `${app.url}/api/topics/news:repeat/messages`,
    );
    return body.messages.map(({ data }) => data);
  }
});
