import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { freePorts } from '../../server/local-cluster/ports.js';
import { OwnRedis } from '../log/own-redis.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { subscribeSse } from '../support/sse-client.js';
import { patient, until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { startTestApp } from './test-app.js';

/** Sockets and servers of this process. Timers are left to the specs that watch a whole process end. */
const resources = () =>
  process.getActiveResourcesInfo().filter((name) => /^(TCPSocketWrap|TCPServerWrap)$/.test(name)).length;

/** A program has said its last word; what it still has to close takes less than this. */
const ENDS_WITHIN_MS = 3_000;

describe('A node', () => {
  it('stops with open connections of every kind, tells them, and leaves nothing behind', async () => {
    const before = resources();
    const app = await startTestApp();
    const [socketIo, webSocket, sse] = [
      await connectSocketIo({ url: app.url }),
      await WebSocketTestClient.subscribe({ url: app.url }, { topics: ['news:*'] }),
      await subscribeSse({ url: app.url }, { topics: ['news:*'] }),
    ];
    const started = performance.now();
    await app.stop();
    expect(performance.now() - started).to.be.lessThan(patient(4_000));

    for (const { seen } of [socketIo, webSocket, sse]) expect(seen.drains).to.have.length(1);
    await until('the WebSocket is closed', () => webSocket.closeCodes.length > 0);
    expect(webSocket.closeCodes).to.deep.equal([1012]);
    for (const client of [socketIo, webSocket, sse]) client.close();
    expect(app.hub.subscribers.size).to.equal(0);
    await until('nothing is left', () => resources() <= before, { instead: resources });
  });

  it('counts connections that it closes while stopping under their own cause, drained or not', async () => {
    const app = await startTestApp();
    const clients = [
      await connectSocketIo({ url: app.url }),
      await WebSocketTestClient.subscribe({ url: app.url }, { topics: ['news:*'] }),
      await subscribeSse({ url: app.url }, { topics: ['news:*'] }),
    ];
    app.hub.drain = async () => undefined;
    await app.stop();
    await until('all are gone', () => app.hub.subscribers.size === 0);
    const causes = [...app.hub.counters.disconnects].filter(([, count]) => count > 0);
    expect(causes).to.deep.equal([['drain', clients.length]]);
    for (const client of clients) client.close();
  });

  describe('leaves its process to end by itself', () => {
    let redis: OwnRedis;
    let other: Server;
    let port: number;

    before(async () => {
      redis = await OwnRedis.start();
      port = await freePorts(1);
      other = createServer();
      await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    });

    after(async () => {
      await new Promise((resolve) => other?.close(resolve));
      await redis?.stop();
    });

    for (const kind of ['alone', 'in a cluster']) {
      const address = () => (kind === 'alone' ? '' : redis.url);

      it(`when it has stopped, ${kind}`, async () => {
        const { output, code } = await run(`
          const config = readConfig({ PORT: '0', REDIS_URL: '${address()}', FEEDS: 'on', DRAIN_MS: '0' });
          const node = await startNode(config, silentLogger);
          await (await fetch(node.url + '/health')).text();
          const reading = (await fetch(node.url + '/stream?topics=market:*')).text();
          await node.stop();
          await reading;
          console.log('stopped');`);
        expect(output).to.equal('stopped\n');
        expect(code, 'how its process ended').to.equal(0);
      });

      it(`when it cannot start because its port is taken, ${kind}`, async () => {
        const { output, code } = await run(`
          const config = readConfig({ PORT: '${port}', REDIS_URL: '${address()}', FEEDS: 'off' });
          await startNode(config, silentLogger).catch((error) => console.log(error.code));`);
        expect(output).to.equal('EADDRINUSE\n');
        expect(code, 'how its process ended').to.equal(0);
      });

      it(`when it cannot start because its key is invalid, ${kind}`, async () => {
        const { output, code } = await run(`
          const JWT_PUBLIC_KEY = '-----BEGIN PUBLIC KEY-----';
          const config = readConfig({ PORT: '0', REDIS_URL: '${address()}', FEEDS: 'off', JWT_PUBLIC_KEY });
          await startNode(config, silentLogger).catch((error) => console.log(error.message.split(' ')[0]));`);
        expect(output).to.equal('JWT_PUBLIC_KEY\n');
        expect(code, 'how its process ended').to.equal(0);
      });
    }
  });
});

/** Runs a program that has the parts of a node at hand, and ends it where it does not end by itself. */
async function run(program: string): Promise<{ output: string; code: number | string | null }> {
  const module = (path: string) => JSON.stringify(new URL(`../../server/${path}`, import.meta.url).href);
  const imports = `
    import { startNode } from ${module('node/start-node.js')};
    import { readConfig } from ${module('config/config.js')};
    import { silentLogger } from ${module('logger.js')};`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', imports + program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | string | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  let output = '';
  let kill: NodeJS.Timeout | undefined;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    kill ??= setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS);
  });
  const code = await ended;
  clearTimeout(kill);
  return { output, code };
}
