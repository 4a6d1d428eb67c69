import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { nextAddress, type TestClient } from '../support/client.js';
import { nodeNamed, startTestCluster } from '../support/cluster.js';
import { authorization } from '../support/credentials.js';
import { Publishing } from '../support/publishing.js';
import { type SocketIoTestClient, subscribeSocketIo } from '../support/socketio-client.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';

const PER_SECOND = 200;

describe('A client whose node is killed with SIGKILL, under 200 messages per second', () => {
  let cluster: LocalCluster;
  const clients: TestClient[] = [];

  before(async () => {
    cluster = await startTestCluster();
  });

  after(async () => {
    for (const client of clients) client.close();
    await cluster?.stop();
  });

  for (const transport of [...TRANSPORTS, 'socketio with msgpack'] as const) {
    it(`loses nothing, gets nothing twice and everything in order over ${transport}`, async () => {
      const topic = `signals:${transport.replaceAll(' ', '-')}`;
      const client =
        transport === 'socketio with msgpack'
          ? await subscribeSocketIo({ url: cluster.url, msgpack: true }, { topics: [topic] })
          : await subscribeOver(transport, { url: cluster.url }, { topics: [topic] });
      clients.push(client);
      const killed = nodeNamed(cluster, client.node);
      const survivor = cluster.nodes.find(({ name }) => name !== killed.name)!;
      const publishing = new Publishing(survivor.url, topic, PER_SECOND);
      publishing.start();
      await until('messages flow', () => client.seen.messages.length >= 100);

      await killed.process.stop('SIGKILL');
      await until('the client is on another node', () => client.seen.nodes.length > 1, {
        instead: () => ({ nodes: client.seen.nodes, losses: client.seen.losses }),
      });
      const caughtUpFrom = client.seen.messages.length;
      await until('messages flow again', () => client.seen.messages.length > caughtUpFrom + 100);
      const published = await publishing.stop();
      await until('everything has arrived', () => client.seen.messages.length >= published);

      expect(client.seen.data()).to.deep.equal(Array.from({ length: published }, (_, n) => n));
      expect(client.node).not.to.equal(killed.name);
      expect(client.seen.gaps).to.deep.equal([]);
      expect(client.verdicts).to.deep.equal([{ topic, recovered: true }]);
      if (transport === 'socketio')
        expect((client as SocketIoTestClient).recovered).to.deep.equal([false, true]);

      client.close();
      await killed.process.start();
    });
  }

  it('sees an error where it reads an event stream, not an end in good order', async () => {
    const address = nextAddress();
    const response = await fetch(`${cluster.url}/stream?topics=signals:*`, {
      headers: { Accept: 'text/event-stream', 'X-Forwarded-For': address, ...authorization() },
    });
    let text = '';
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of response.body!) text += decoder.decode(chunk as Uint8Array, { stream: true });
    })().then(
      () => 'it ended',
      () => 'it broke',
    );
    await until('it is positioned', () => text.includes('event: position'));
    const killed = nodeNamed(cluster, /"node":"(\w+)"/.exec(text)![1]!);
    await killed.process.stop('SIGKILL');
    expect(await reading).to.equal('it broke');
    await killed.process.start();
  });
});
