import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { answers } from '../../server/local-cluster/nginx.js';
import type { TestClient } from '../support/client.js';
import { startTestCluster, subscribeOnNode } from '../support/cluster.js';
import { authorization } from '../support/credentials.js';
import { get as getJson, publish } from '../support/http.js';
import { Publishing } from '../support/publishing.js';
import type { SocketIoTestClient } from '../support/socketio-client.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import type { WebSocketTestClient } from '../support/websocket-client.js';

describe('A node that is asked to stop with SIGTERM', () => {
  let cluster: LocalCluster;
  let clients: TestClient[] = [];

  before(async () => {
    cluster = await startTestCluster();
  });

  after(async () => {
    for (const client of clients) client.close();
    await cluster?.stop();
  });

  it('sends its clients to the others without losing a message, ends with code 0 and leaves the count', async () => {
    const [leaving, other] = cluster.nodes;
    clients = await Promise.all(
      TRANSPORTS.map((transport) =>
        subscribeOnNode(cluster, leaving!.name, transport, { topics: ['signals:*'] }),
      ),
    );
    const publishing = new Publishing(other!.url, 'signals:drain', 200);
    publishing.start();
    await until('messages flow', () => clients.every(({ seen }) => seen.messages.length > 50));

    expect(await leaving!.process.stop('SIGTERM')).to.equal(0);
    await until('all are elsewhere', () => clients.every(({ node }) => node !== leaving!.name));
    const published = await publishing.stop();
    const expected = Array.from({ length: published }, (_, n) => n);
    for (const { seen, transport } of clients) {
      await until(`${transport} has everything`, () => seen.messages.length >= published);
      expect(seen.data(), transport).to.deep.equal(expected);
      expect(seen.drains, transport).to.have.length(1);
    }
    const [socketIo, webSocket] = clients as [SocketIoTestClient, WebSocketTestClient, TestClient];
    expect(socketIo.recovered).to.deep.equal([false, true]);
    expect(webSocket.closeCodes).to.deep.equal([1012]);
    const instances = async () =>
      (await getJson<{ instances: number }>(`${other!.url}/health`)).body.instances;
    await until('two nodes are counted', async () => (await instances()) === 2);
    await leaving!.process.start();
  });

  it('does not wait for clients that have stopped reading', async () => {
    const [leaving, other] = cluster.nodes;
    const stalled = await Promise.all(
      TRANSPORTS.map((transport) =>
        subscribeOver(transport, { url: leaving!.url }, { topics: ['signals:*'] }),
      ),
    );
    clients.push(...stalled);
    for (const client of stalled) client.stall();
    for (let n = 0; n < 20; n++) await publish(other!.url, 'signals:drain', 'x'.repeat(10_000));

    const started = performance.now();
    expect(await leaving!.process.stop('SIGTERM')).to.equal(0);
    expect(performance.now() - started).to.be.below(20_000);
    for (const client of stalled) client.close();
    await leaving!.process.start();
  });

  it('finishes publications in progress', async () => {
    const [leaving] = cluster.nodes;
    const publishing = httpRequest(`${leaving!.url}/api/topics/signals:late/messages`, {
      method: 'POST',
      headers: { ...authorization(), 'Content-Length': '6' },
      agent: false,
    });
    const answered = once(publishing, 'response') as Promise<[IncomingMessage]>;
    publishing.write('"la');
    await once(publishing, 'finish', { signal: AbortSignal.timeout(50) }).catch(() => undefined);
    const ended = leaving!.process.stop('SIGTERM');
    await until('it drains or is gone', async () => !(await answers(`${leaving!.url}/health/ready`)));
    publishing.end('te"');
    const [{ statusCode }] = await answered;
    expect(statusCode).to.equal(201);
    expect(await ended).to.equal(0);
    await leaving!.process.start();
  });

  it('and the others after it: a rolling restart under load loses nothing', async () => {
    for (const client of clients) client.close();
    clients = [];
    for (const { name } of cluster.nodes) {
      for (const transport of TRANSPORTS)
        clients.push(await subscribeOnNode(cluster, name, transport, { topics: ['news:*'] }));
    }
    // Through NGINX: an answer may be lost there. A careful publisher sends the same again, with the same key.
    let published = 0;
    let going = true;
    const publishing = (async () => {
      for (; going; published++) {
        const key = { 'Idempotency-Key': `rolling-${published}` };
        await until('it is published', async () => {
          const answer = await publish(cluster.url, 'news:rolling', published, key).catch(() => undefined);
          return answer?.status === 201;
        });
      }
    })();
    for (const { process, url } of cluster.nodes) {
      const before = published;
      await until('messages flow', () => published > before + 100);
      expect(await process.stop('SIGTERM')).to.equal(0);
      await process.start();
      await until('it is ready', () => answers(`${url}/health/ready`));
    }
    going = false;
    await publishing;
    for (const { seen, transport } of clients) {
      await until(`${transport} has everything`, () => seen.messages.length >= published, {
        instead: () => [seen.messages.length, published, seen.nodes],
      });
      expect(seen.data(), transport).to.deep.equal(Array.from({ length: published }, (_, n) => n));
      expect(seen.gaps, transport).to.deep.equal([]);
    }
  });
});
