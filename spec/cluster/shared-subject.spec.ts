/** Many clients with one token, whose nodes take only so many of them. */
import { expect } from 'chai';
import { io, type Socket } from 'socket.io-client';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { ANONYMOUS, SECRET, token } from '../auth/support.js';
import { nextAddress } from '../support/client.js';
import { startTestCluster } from '../support/cluster.js';
import { call } from '../support/http.js';
import { until } from '../support/wait.js';

const CLIENTS = 48;
const PER_NODE = CLIENTS / 3;

describe(`${CLIENTS} Socket.IO clients that share a subject, on three nodes that take 20 of it each`, () => {
  let cluster: LocalCluster;
  const clients: { readonly socket: Socket; node: string }[] = [];

  before(async () => {
    cluster = await startTestCluster({
      env: { JWT_SECRET: SECRET, PUBLISH_KEY: '', MAX_CONNECTIONS_PER_SUBJECT: '20' },
    });
  });

  after(async () => {
    for (const { socket } of clients) socket.disconnect();
    await cluster?.stop();
  });

  const connected = () => clients.filter(({ socket }) => socket.connected).length;

  /** How many the living nodes have turned away. */
  async function refusals(): Promise<number> {
    let count = 0;
    for (const { url } of cluster.nodes.filter(({ process }) => process.running)) {
      const { body } = await call<string>('GET', `${url}/metrics`, undefined, ANONYMOUS);
      count += Number(/^axiom_errors_total\{kind="too_many_connections"\} (\d+)$/m.exec(body)?.[1] ?? 0);
    }
    return count;
  }

  it('are all back after a node was killed and has come back', async () => {
    const text = await token();
    const perNode = new Map<string, number>();
    while (clients.length < CLIENTS) {
      const socket = io(cluster.url, {
        auth: { token: text },
        extraHeaders: { 'X-Forwarded-For': nextAddress() },
        forceNew: true,
      });
      const client = { socket, node: '' };
      socket.on('welcome', ({ node }: { node: string }) => {
        client.node = node;
      });
      await until('it is connected', () => client.node !== '');
      const count = (perNode.get(client.node) ?? 0) + 1;
      if (count > PER_NODE) {
        socket.disconnect();
        continue;
      }
      perNode.set(client.node, count);
      clients.push(client);
    }

    const [killed] = cluster.nodes;
    await killed!.process.stop('SIGKILL');
    await until('some find no room elsewhere', async () => (await refusals()) >= 10, { withinMs: 20_000 });
    await killed!.process.start();
    await until('all are back', () => connected() === CLIENTS, { withinMs: 30_000, instead: connected });
    expect(clients.every(({ socket }) => socket.active)).to.equal(true);
  });
});
