/** What the nodes of a cluster share of tokens. */
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { bearer, SECRET, token } from '../auth/support.js';
import { startTestCluster } from '../support/cluster.js';
import { call } from '../support/http.js';
import { patient, until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';

describe('The nodes of a cluster', () => {
  let cluster: LocalCluster;
  let admin = '';

  before(async () => {
    cluster = await startTestCluster({
      env: { JWT_SECRET: SECRET, PUBLISH_KEY: '', MAX_PUBLISHES_PER_SECOND_PER_SUBJECT: '60' },
    });
    admin = await token({ sub: 'root', admin: true });
  });

  after(() => cluster?.stop());

  const connect = async (claims: Parameters<typeof token>[0]) => {
    const text = await token(claims);
    return Promise.all(
      cluster.nodes.map(({ url }) =>
        WebSocketTestClient.subscribe({ url, token: text }, { topics: ['news:*'] }),
      ),
    );
  };

  it('all end a token within a second of its revocation on one of them, also one that starts later', async () => {
    const clients = await connect({ jti: 'everywhere' });
    const started = performance.now();
    await call('POST', `${cluster.nodes[0]!.url}/api/revocations`, '{"jti":"everywhere"}', bearer(admin));
    await until('all are closed', () => clients.every(({ closeCodes }) => closeCodes.length > 0));
    expect(performance.now() - started).to.be.below(patient(1_000));
    expect(clients.map(({ closeCodes }) => closeCodes[0])).to.deep.equal([4401, 4401, 4401]);
    for (const client of clients) client.close();

    const [node] = cluster.nodes;
    await node!.process.stop('SIGKILL');
    await node!.process.start();
    const text = await token({ jti: 'everywhere' });
    const { body } = await call('GET', `${node!.url}/api/streams`, undefined, bearer(text));
    expect(body.code).to.equal('token_revoked');
  });

  it('all keep a client away that was banned on one of them, also one that starts later', async () => {
    const clients = await connect({ sub: 'banned' });
    const body = JSON.stringify({ sub: 'banned', forMs: 3_600_000 });
    await call('POST', `${cluster.nodes[0]!.url}/api/bans`, body, bearer(admin));
    await until('all are closed', () => clients.every(({ closeCodes }) => closeCodes.length > 0));
    expect(clients.map(({ closeCodes }) => closeCodes[0])).to.deep.equal([4403, 4403, 4403]);
    for (const client of clients) client.close();

    const [, node] = cluster.nodes;
    await node!.process.stop('SIGKILL');
    await node!.process.start();
    const text = await token({ sub: 'banned' });
    const answer = await call('GET', `${node!.url}/api/streams`, undefined, bearer(text));
    expect(answer.body.code).to.equal('banned');
  });

  it('list the connections of all, and cut one on another', async () => {
    const clients = await connect({ sub: 'listed' });
    const [first] = cluster.nodes;
    const list = async () =>
      (
        await call<{ connections: { id: string; node: string; subject: string }[]; silent: string[] }>(
          'GET',
          `${first!.url}/api/connections`,
          undefined,
          bearer(admin),
        )
      ).body;
    await until(
      'all nodes know one another',
      async () => (await list()).connections.filter(({ subject }) => subject === 'listed').length === 3,
    );
    const { connections, silent } = await list();
    expect(silent).to.deep.equal([]);
    const far = connections.find(
      ({ node, subject }) => subject === 'listed' && node === cluster.nodes[2]!.name,
    )!;
    const answer = await call('DELETE', `${first!.url}/api/connections/${far.id}`, undefined, bearer(admin));
    expect(answer.status).to.equal(204);
    await until('it is closed', () => clients[2]!.closeCodes.length > 0);
    expect(clients[2]!.closeCodes[0]).to.equal(4403);
    expect(clients[0]!.closeCodes.concat(clients[1]!.closeCodes)).to.deep.equal([]);
    for (const client of clients) client.close();
  });

  it('name a node that does not answer', async () => {
    const [first, second] = cluster.nodes;
    second!.process.signal('SIGSTOP');
    try {
      const { body } = await call<{ silent: string[] }>(
        'GET',
        `${first!.url}/api/connections`,
        undefined,
        bearer(admin),
      );
      expect(body.silent).to.deep.equal([second!.name]);
    } finally {
      second!.process.signal('SIGCONT');
    }
  });

  it('take a ticket of one another, once', async () => {
    const text = await token({ subscribe: ['portfolio:p1'] });
    const { body } = await call<{ ticket: string }>(
      'POST',
      `${cluster.nodes[0]!.url}/api/tickets`,
      undefined,
      bearer(text),
    );
    const redeem = async (url: string) => {
      const abort = new AbortController();
      const { status } = await fetch(`${url}/stream?topics=portfolio:p1&ticket=${body.ticket}`, {
        signal: abort.signal,
      });
      abort.abort();
      return status;
    };
    expect(await redeem(cluster.nodes[1]!.url)).to.equal(200);
    expect(await redeem(cluster.nodes[2]!.url)).to.equal(401);
  });

  it('count the messages of a subject together', async () => {
    const text = await token({ sub: 'busy', publish: ['news:*'] });
    const started = performance.now();
    const statuses = await Promise.all(
      Array.from({ length: 240 }, async (_, n) => {
        const { url } = cluster.nodes[n % 3]!;
        const { status, headers } = await call(
          'POST',
          `${url}/api/topics/news:busy/messages`,
          String(n),
          bearer(text),
        );
        if (status === 429) expect(Number(headers.get('retry-after'))).to.be.at.least(1);
        return status;
      }),
    );
    const accepted = statuses.filter((status) => status === 201).length;
    // One more second may be touched, and each node may begin one with a part of its own.
    const seconds = Math.ceil((performance.now() - started) / 1_000) + 1;
    expect(accepted).to.be.within(50, 60 * seconds + 15);
    expect(statuses).to.include(429);
  });
});
