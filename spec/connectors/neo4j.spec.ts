import { expect } from 'chai';
import { PAGE } from '../../server/connectors/neo4j/change-nodes.js';
import type { Graph } from '../../server/connectors/neo4j/driver.js';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { codeBlockWith } from '../docs/code-blocks.js';
import { startTestApp } from '../http/test-app.js';
import { OwnRedis } from '../log/own-redis.js';
import type { TestClient } from '../support/client.js';
import { sized } from '../support/size.js';
import { streamsFile } from '../support/streams-file.js';
import { subscribeOver } from '../support/subscribe.js';
import { patient, until } from '../support/wait.js';
import { connectorProcess, sample } from './connector-process.js';
import { account, type ExpectedRow, haltForAWhile, killRepeatedly, printAccount } from './killing.js';
import { needsNeo4j, OwnNeo4j } from './own-neo4j.js';

const KILLS = sized({ quick: 3, full: 20 });
const WRITERS = 4;
/** The statement that applications copy. */
const PUBLISH = codeBlockWith('docs/integrations/neo4j.md', 'HubChange');

describe('The connector of Neo4j', function () {
  this.timeout(600_000);
  let neo4j: OwnNeo4j;
  let redis: OwnRedis;
  let app: RunningNode;
  let graph: Graph;
  let client: TestClient;
  let connector: ManagedProcess;
  let url: string;
  let env: Record<string, string>;

  const publish = (topic: string, data: unknown) => graph.run(PUBLISH, { topic, data: JSON.stringify(data) });
  const left = async () => Number((await graph.run('MATCH (c:HubChange) RETURN count(c) AS n'))[0]?.n);
  const refused = async () =>
    (await graph.run('MATCH (c:HubChangeRefused) RETURN c.refused AS why ORDER BY why')).map(({ why }) =>
      String(why),
    );

  before(async function () {
    needsNeo4j(this);
    [neo4j, redis] = await Promise.all([OwnNeo4j.start(), OwnRedis.start()]);
    const streams = streamsFile({ graph: { class: 'log' } });
    app = await startTestApp({ REDIS_URL: redis.url, TOP_CHECK_MS: '500', STREAMS_FILE: streams });
    client = await subscribeOver('websocket', { url: app.url }, { topics: ['graph:*'] });
    graph = neo4j.connect();
    env = { NEO4J_URL: neo4j.url, REDIS_URL: redis.url, STREAMS_FILE: streams, NEO4J_POLL_MS: '20' };
    ({ process: connector, url } = await connectorProcess('neo4j', env));
    await connector.start();
    await until('the connector works', async () => (await fetch(`${url}/health`)).ok);
  });

  after(async () => {
    client?.close();
    await connector?.stop('SIGKILL');
    await app?.stop();
    await redis?.stop();
    await neo4j?.stop();
  });

  it('publishes change nodes that were committed, in their order, and takes them away', async () => {
    for (let n = 1; n <= 20; n++) await publish('graph:person/a', { n, text: 'ä "b"\n' });
    await until('all come', () => client.seen.data('graph:person/a').length === 20);
    expect(client.seen.data('graph:person/a')).to.deep.equal(
      Array.from({ length: 20 }, (_, i) => ({ n: i + 1, text: 'ä "b"\n' })),
    );
    await until('nothing is left', async () => (await left()) === 0);
  });

  it('deletes a change node that is related to other nodes, and leaves those', async () => {
    await graph.run(`${PUBLISH} WITH t MATCH (c:HubChange {topic: t.topic}) CREATE (:Person)<-[:OF]-(c)`, {
      topic: 'graph:related',
      data: '1',
    });
    await until('it comes', () => client.seen.data('graph:related').length === 1);
    await until('nothing is left', async () => (await left()) === 0);
    expect(await graph.run('MATCH (p:Person) RETURN count(p) AS n')).to.deep.equal([{ n: 1 }]);
  });

  it('sets aside what cannot become a message, with the reason, counts it, and continues', async () => {
    await publish('nowhere:a', 1);
    await publish('graph:*', 1);
    await publish('graph:large', 'x'.repeat(70_000));
    await graph.run(PUBLISH, { topic: 'graph:text', data: 'no json' });
    await graph.run(PUBLISH, { topic: 'graph:number', data: 7 });
    await graph.run("CREATE (:HubChange {topic: 'graph:alone', n: 1, data: '1'})");
    await graph.run("CREATE (:HubChange {topic: 'graph:none', data: '1'}), (:HubChange {topic: 5, n: 1})");
    await publish('graph:after', 1);
    await until('what follows comes', () => client.seen.data('graph:after').length === 1);
    await until('all are set aside', async () => (await left()) === 0);
    expect((await refused()).map((why) => why.split(/[;,]| is | takes /)[0]?.trim())).to.deep.equal([
      'bad_request: after:',
      'bad_request: data:',
      'bad_request: data:',
      'bad_request: topic and n: are missing',
      'bad_request: topic and n: are missing',
      'bad_topic: topic: "graph:*"',
      'too_large: data: 70002 bytes',
      'unknown_stream: topic: there',
    ]);
    await until('it counts', async () => (await sample(url, 'axiom_connector_refused_total')) === 8);
  });

  it('waits for a change that it has not seen, and skips one that was deleted', async () => {
    await connector.stop('SIGKILL');
    for (let n = 1; n <= 4; n++) await publish('graph:gap', n);
    await graph.run(
      "MATCH (c:HubChange {topic: 'graph:gap'}) WITH c ORDER BY c.n SKIP 1 LIMIT 1 DETACH DELETE c",
    );
    await connector.start();
    await until('the rest comes', () => client.seen.data('graph:gap').length === 3);
    expect(client.seen.data('graph:gap')).to.deep.equal([1, 3, 4]);
  });

  it('reads only one page at a time, no matter how much waits', async () => {
    await graph.run("UNWIND range(1, 20000) AS n CREATE (:HubChange {topic: 'later:' + (n % 50), n: n})");
    const started = performance.now();
    await graph.run(PAGE, { topic: '', limit: 500 });
    const ms = performance.now() - started;
    await until('all are set aside', async () => (await left()) === 0, { withinMs: 60_000 });
    expect(ms).to.be.lessThan(patient(1_000));
  });

  it('says that this edition does not capture changes, and keeps trying', async () => {
    const capturing = await connectorProcess('neo4j', { ...env, NEO4J_ELEMENTS: '(:Person)=graph:person' });
    await capturing.process.start();
    try {
      await until(
        'it has tried',
        async () => (await sample(capturing.url, 'axiom_connector_failures_total')) > 1,
      );
      expect((await fetch(`${capturing.url}/health`)).status).to.equal(503);
    } finally {
      await capturing.process.stop('SIGKILL');
    }
  });

  it('continues after an outage of Neo4j', async () => {
    await neo4j.process.stop('SIGKILL');
    await until('the connector has noticed', async () => !(await fetch(`${url}/health`)).ok, {
      withinMs: 60_000,
    });
    await neo4j.process.start();
    await publish('graph:back', 1);
    await until('it comes', () => client.seen.data('graph:back').length === 1, { withinMs: 30_000 });
  });

  it(`neither loses nor doubles when two of it work and one is killed ${KILLS} times under load`, async () => {
    const second = await connectorProcess('neo4j', env);
    await second.process.start();
    try {
      const expected: ExpectedRow[] = [];
      const numbers = new Map<string, number>();
      let stopped = false;
      // All write to the same topics, so that their transactions wait for one another; some are rolled back.
      const writer = async (w: number) => {
        for (let i = 0; !stopped; i++) {
          const key = `kill/${Math.floor(Math.random() * 7)}`;
          const id = `${w}-${i}`;
          const parameters = { topic: `graph:${key}`, data: JSON.stringify({ key, id }) };
          if (i % 10 === 9) {
            const failed = await graph.run(`${PUBLISH} RETURN 1 / 0`, parameters).catch(() => 'rolled back');
            expect(failed).to.equal('rolled back');
            continue;
          }
          const [row] = await graph.run(`${PUBLISH} RETURN t.n AS n`, parameters);
          numbers.set(id, Number(row?.n));
          expected.push({ key, n: Number(row?.n) });
        }
      };
      const writers = Array.from({ length: WRITERS }, (_, w) => writer(w));
      await killRepeatedly(connector, KILLS);
      await haltForAWhile(connector);
      stopped = true;
      await Promise.all(writers);
      const arrived = () => client.seen.messages.filter(({ topic }) => topic.startsWith('graph:kill/'));
      await until('as many messages as changes come', () => arrived().length >= expected.length, {
        withinMs: 60_000,
        instead: () => [arrived().length, expected.length],
      });
      await until('nothing is left', async () => (await left()) === 0, { withinMs: 30_000 });
      const result = account('neo4j', expected, arrived(), ({ data }) => {
        const { key, id } = data as { key: string; id: string };
        return { key, n: numbers.get(id) ?? 0 };
      });
      printAccount(KILLS, result);
      expect(result).to.include({ lost: 0, doubled: 0, disordered: 0, messages: expected.length });
    } finally {
      await second.process.stop('SIGKILL');
    }
  });
});
