import { expect } from 'chai';
import { WebSocket } from 'ws';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { until } from '../support/wait.js';

describe('A client that answers no ping', () => {
  let app: RunningNode;

  before(async () => {
    app = await startTestApp({ PING_INTERVAL_MS: '100', PING_TIMEOUT_MS: '200' });
  });

  after(() => app?.stop());

  for (const [path, hello] of [
    ['/ws', undefined],
    ['/socket.io/?EIO=4&transport=websocket', '40'],
  ] as const) {
    it(`is ended, and counted under that cause: ${path}`, async () => {
      const count = () => app.hub.counters.disconnects.get('no_pong') ?? 0;
      const before = count();
      // Raw: the clients of the specs answer pings, as every client does.
      const socket = new WebSocket(app.url.replace('http', 'ws') + path, { autoPong: false });
      socket.on('open', () => {
        if (hello !== undefined) socket.send(hello);
      });
      await until('it is connected', () => app.hub.subscribers.size === 1);
      await until('it is ended', () => app.hub.subscribers.size === 0);
      expect(count() - before).to.equal(1);
    });
  }
});
