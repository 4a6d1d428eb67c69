import { expect } from 'chai';
import type { LocalCluster } from '../../server/cluster/local/local-cluster.js';
import { type TestClient, TRANSPORTS } from '../support/client.js';
import { startTestCluster, subscribeOnNode } from '../support/cluster.js';
import { get } from '../support/http.js';
import { Publishing } from '../support/publishing.js';
import type { SocketIoTestClient } from '../support/socketio-client.js';
import { until } from '../support/wait.js';
import type { WebSocketTestClient } from '../support/websocket-client.js';

describe('A node that is asked to stop with SIGTERM', function () {
  this.timeout(40_000);
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
    const instances = async () => (await get<{ instances: number }>(`${other!.url}/health`)).body.instances;
    await until('two nodes are counted', async () => (await instances()) === 2);
  });
});
