/** Frames and packets that ask for nothing, and that nobody would pay for. */
import { request } from 'node:http';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { until } from '../support/wait.js';

describe('A client that asks for nothing', () => {
  let app: RunningNode;
  const sockets: WebSocket[] = [];

  before(async () => {
    app = await startTestApp();
  });

  after(async () => {
    for (const socket of sockets) socket.terminate();
    await app?.stop();
  });

  async function open(path: string): Promise<{ socket: WebSocket; closed: Promise<number> }> {
    const socket = new WebSocket(app.url.replace('http', 'ws') + path);
    sockets.push(socket);
    socket.on('error', () => undefined);
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    await new Promise((resolve) => socket.on('open', resolve));
    return { socket, closed };
  }

  for (const path of ['/ws', '/socket.io/?EIO=4&transport=websocket']) {
    it(`but sends pongs without end is ended: ${path}`, async () => {
      const { socket, closed } = await open(path);
      for (let n = 0; n < 60; n++) socket.pong('');
      expect(await closed).to.equal(4429);
    });

    it(`but sends a message in ever more fragments is ended: ${path}`, async () => {
      const { socket, closed } = await open(path);
      for (let n = 0; n < 200; n++) socket.send('x', { fin: false });
      await closed;
    });
  }

  it('is not kept over Socket.IO once it has left the only namespace', async () => {
    const { socket, closed } = await open('/socket.io/?EIO=4&transport=websocket');
    const entered = new Promise<void>((resolve) => {
      socket.on('message', (data) => String(data).startsWith('40') && resolve());
    });
    socket.send('40');
    await entered;
    socket.send('41');
    await closed;
    expect(app.hub.subscribers.size).to.equal(0);
  });

  it('but sends packets of Socket.IO without end is ended', async () => {
    const { socket, closed } = await open('/socket.io/?EIO=4&transport=websocket');
    let isOpen = true;
    void closed.then(() => {
      isOpen = false;
    });
    socket.send('40');
    await until('it is ended', () => {
      if (isOpen) for (let n = 0; n < 10_000; n++) socket.send('431[]');
      return !isOpen;
    });
  });

  it('but expects something of a node is told no, and has to connect again', async () => {
    const [status, connection] = await new Promise<unknown[]>((resolve, reject) => {
      const sent = request(`${app.url}/health/live`, { headers: { Expect: 'x' } }, (response) => {
        response.resume();
        resolve([response.statusCode, response.headers.connection]);
      });
      sent.on('error', reject);
      sent.end();
    });
    expect([status, connection]).to.deep.equal([417, 'close']);
  });
});
