/** Change nodes, over a stand-in for the session of the driver where no Neo4j can be had. */
import { expect } from 'chai';
import * as nodes from '../../server/connectors/neo4j/change-nodes.js';
import {
  type Graph,
  GraphError,
  type GraphParameters,
  type GraphRow,
} from '../../server/connectors/neo4j/driver.js';
import { surroundings, whileRunning } from './neo4j-surroundings.js';

interface ChangeNode {
  topic: string;
  n: number;
  after: number;
  data: string;
}

/** A graph of change nodes, as far as the connector looks at it. */
class NodeGraph implements Graph {
  changes: ChangeNode[] = [];
  readonly sent = new Map<string, number>();
  readonly refused: string[] = [];
  /** Called before each page is answered, as what happens while Neo4j walks over its index. */
  onPage: () => void = () => undefined;
  /** Fails the next acknowledgement, after it was carried out or before. */
  failing: 'before' | 'after' | undefined;

  async run(query: string, parameters: GraphParameters = {}): Promise<GraphRow[]> {
    if (query === nodes.PAGE) return this.#page(parameters as { topic: string; limit: number });
    if (query === nodes.ACKNOWLEDGE) return this.#acknowledge(parameters as never);
    if (query === nodes.DATABASE) return [{ id: 'SPEC' }];
    if (query === nodes.COUNT) return [{ count: this.changes.length }];
    return [];
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #page({ topic, limit }: { topic: string; limit: number }): GraphRow[] {
    const rows = this.changes
      .filter((change) => change.topic > topic)
      .sort((a, b) => (a.topic === b.topic ? a.n - b.n : a.topic < b.topic ? -1 : 1))
      .slice(0, limit)
      .map((change) => ({ ...change, sent: this.sent.get(change.topic) ?? null }));
    this.onPage();
    return rows;
  }

  #acknowledge({
    topics,
  }: {
    topics: { name: string; sent: number; changes: { n: number; refused: string | null }[] }[];
  }): GraphRow[] {
    const { failing } = this;
    this.failing = undefined;
    if (failing === 'before') throw new GraphError('Spec', 'the connection was lost');
    for (const { name, sent, changes } of topics) {
      this.sent.set(name, Math.max(sent, this.sent.get(name) ?? 0));
      for (const { n, refused } of changes) {
        if (refused !== null) this.refused.push(refused);
        this.changes = this.changes.filter((change) => change.topic !== name || change.n !== n);
      }
    }
    if (failing === 'after') throw new GraphError('Spec', 'the connection was lost');
    return [];
  }
}

describe('Change nodes over a stand-in for the session', () => {
  const node = (topic: string, n: number, after: number, data: unknown = n): ChangeNode => ({
    topic,
    n,
    after,
    data: JSON.stringify(data),
  });

  it('come in the order of each topic, a page at a time', async () => {
    const graph = new NodeGraph();
    for (let n = 1; n <= 5; n++) graph.changes.push(node('graph:b', n, n - 1), node('graph:a', n, n - 1));
    const { options, messages, stop } = surroundings(graph);
    await whileRunning(
      nodes.carryChangeNodes(options, () => undefined),
      stop,
      'all came',
      async () => graph.changes.length === 0,
    );
    for (const key of ['a', 'b']) {
      expect((await messages()).filter(([k]) => k === key).map(([, data]) => data)).to.deep.equal([
        1, 2, 3, 4, 5,
      ]);
    }
  });

  it('wait for one that was committed while the index was walked over', async () => {
    const graph = new NodeGraph();
    graph.changes.push(node('graph:a', 2, 1));
    graph.onPage = () => {
      graph.onPage = () => undefined;
      graph.changes.push(node('graph:a', 1, 0));
    };
    const { options, messages, stop } = surroundings(graph);
    await whileRunning(
      nodes.carryChangeNodes(options, () => undefined),
      stop,
      'both came',
      async () => graph.changes.length === 0,
    );
    expect(await messages()).to.deep.equal([
      ['a', 1],
      ['a', 2],
    ]);
  });

  for (const failing of ['before', 'after'] as const) {
    it(`come once where the connection is lost ${failing} they were taken away`, async () => {
      const graph = new NodeGraph();
      graph.changes.push(node('graph:a', 1, 0), node('graph:a', 2, 1));
      graph.failing = failing;
      const { options, messages, stop } = surroundings(graph);
      const failed = await nodes.carryChangeNodes(options, () => undefined).catch((error: Error) => error);
      expect((failed as Error).message).to.equal('the connection was lost');
      graph.changes.push(node('graph:a', 3, 2));
      await whileRunning(
        nodes.carryChangeNodes(options, () => undefined),
        stop,
        'nothing is left',
        async () => graph.changes.length === 0,
      );
      expect((await messages()).map(([, data]) => data)).to.deep.equal([1, 2, 3]);
    });
  }
});
