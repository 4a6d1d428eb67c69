/**
 * The logic of the connector of Neo4j over a stand-in for the driver's session: captured changes, which only the
 * Enterprise Edition has, and change nodes where no Neo4j can be had.
 */
import { expect } from 'chai';
import { ConnectorMetrics } from '../../server/connectors/metrics.js';
import * as captured from '../../server/connectors/neo4j/captured-changes.js';
import * as nodes from '../../server/connectors/neo4j/change-nodes.js';
import {
  type Graph,
  GraphError,
  type GraphParameters,
  type GraphRow,
} from '../../server/connectors/neo4j/driver.js';
import { parseElementMappings } from '../../server/connectors/neo4j/element-mapping.js';
import { MemoryStreamLog } from '../../server/log/memory-stream-log.js';
import { silentLogger } from '../../server/logger.js';
import { until } from '../support/wait.js';

const RETENTION = { maxMessages: 1_000, maxAgeMs: 3_600_000, maxKeys: 100 };

/** What both connectors are given, and what came of it. */
function surroundings(graph: Graph) {
  const log = new MemoryStreamLog({ streams: new Map([['graph', RETENTION]]) });
  const stopping = new AbortController();
  const metrics = new ConnectorMetrics('spec');
  return {
    options: {
      graph,
      log,
      streams: new Set(['graph']),
      maxMessageBytes: 65_536,
      logger: silentLogger,
      metrics,
      signal: stopping.signal,
      pollMs: 1,
      batch: 3,
    },
    messages: async () =>
      (await log.range('graph', 1, 1_000, 1_000)).map(({ key, data }) => [key, JSON.parse(data)]),
    stop: () => stopping.abort(new Error('stopped')),
  };
}

/** Runs a connector until `done`, and stops it. */
async function whileRunning(
  carry: Promise<void>,
  stop: () => void,
  what: string,
  done: () => Promise<boolean>,
): Promise<void> {
  const ended = carry.catch((error: Error) => {
    if (error.message !== 'stopped') throw error;
  });
  await Promise.race([
    until(what, done),
    ended.then(() => {
      throw new Error('the connector has ended');
    }),
  ]);
  stop();
  await ended;
}

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

/** Captured changes, as `db.cdc.query` tells them. */
class CapturingGraph implements Graph {
  readonly changes: captured.CapturedChange[] = [];
  readonly asked: GraphParameters[] = [];
  readonly refused: { topic: string; reason: string }[] = [];
  from: string | undefined;
  current = 'id-0';

  async run(query: string, parameters: GraphParameters = {}): Promise<GraphRow[]> {
    if (query === captured.CURRENT) return [{ id: this.current }];
    if (query === captured.START) {
      this.from ??= String(parameters.current);
      return [{ life: 'life-1', from: this.from }];
    }
    if (query === captured.CHANGES) {
      this.asked.push(parameters);
      // The stricter reading of the manual: what is asked for begins behind the transaction of the identifier.
      const at = this.changes.find(({ id }) => id === parameters.from)?.txId ?? 0;
      const later = this.changes.filter(({ txId }) => txId > at);
      return later.slice(0, Number(parameters.limit)) as unknown as GraphRow[];
    }
    if (query === captured.KEEP) this.from = String(parameters.from);
    if (query === captured.SET_ASIDE) this.refused.push(...(parameters.refused as []));
    return [];
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  add(txId: number, seq: number, event: Partial<captured.CapturedChange['event']>): void {
    const id = `id-${this.changes.length + 1}`;
    this.current = id;
    this.changes.push({
      id,
      txId,
      seq,
      time: new Date().toISOString(),
      event: {
        eventType: 'n',
        operation: 'c',
        elementId: '4:spec:1',
        state: { before: null, after: null },
        ...event,
      },
    });
  }
}

describe('Captured changes over a stand-in for the session', () => {
  const elements = parseElementMappings('(:Person)=graph:person/{id}, [:KNOWS]=graph:knows');
  const person = (operation: 'c' | 'u' | 'd', before: object | null, after: object | null) => ({
    operation,
    labels: ['Person'],
    keys: {},
    state: {
      before: before && { properties: { ...before }, labels: ['Person'] },
      after: after && { properties: { ...after }, labels: ['Person'] },
    },
  });

  it('are messages with what was before and after, under the topic of their element', async () => {
    const graph = new CapturingGraph();
    const { options, messages, stop } = surroundings(graph);
    graph.from = 'id-0';
    graph.add(7, 0, person('c', null, { id: 42 }));
    graph.add(7, 1, person('u', { id: 42 }, { id: 42, name: 'Ann' }));
    const [start, end] = [
      { elementId: '4:spec:1', labels: ['Person'] },
      { elementId: '4:spec:2', labels: [] },
    ];
    graph.add(8, 0, {
      eventType: 'r',
      type: 'KNOWS',
      start,
      end,
      state: { before: null, after: { properties: { since: 2020 } } },
    });
    graph.add(9, 0, person('d', { id: 42, name: 'Ann' }, null));
    await whileRunning(
      captured.carryCapturedChanges({ ...options, elements }, () => undefined),
      stop,
      'all are kept',
      async () => graph.from === 'id-4',
    );
    const head = { kind: 'node', id: '4:spec:1', labels: ['Person'], keys: {} };
    expect(await messages()).to.deep.equal([
      ['person/42', { op: 'create', ...head, before: null, after: { id: 42 } }],
      ['person/42', { op: 'update', ...head, before: { id: 42 }, after: { id: 42, name: 'Ann' } }],
      [
        'knows',
        {
          op: 'create',
          kind: 'relationship',
          id: '4:spec:1',
          type: 'KNOWS',
          start,
          end,
          before: null,
          after: { since: 2020 },
        },
      ],
      ['person/42', { op: 'delete', ...head, before: { id: 42, name: 'Ann' }, after: null }],
    ]);
    expect(graph.asked[0]!.selectors).to.deep.equal([
      { select: 'n', labels: ['Person'] },
      { select: 'r', type: 'KNOWS' },
    ]);
  });

  it('begin with what is committed after the first start', async () => {
    const graph = new CapturingGraph();
    graph.add(1, 0, person('c', null, { id: 1 }));
    const { options, messages, stop } = surroundings(graph);
    const carrying = captured.carryCapturedChanges({ ...options, elements }, () => undefined);
    await until('it has asked', () => graph.asked.length > 0);
    graph.add(2, 0, person('c', null, { id: 2 }));
    await whileRunning(carrying, stop, 'it is kept', async () => graph.from === 'id-2');
    expect((await messages()).map(([key]) => key)).to.deep.equal(['person/2']);
  });

  it('come once where the connector was ended before their identifier was kept', async () => {
    const graph = new CapturingGraph();
    graph.from = 'id-0';
    for (let n = 1; n <= 9; n++) graph.add(n, 0, person('c', null, { id: n }));
    const { options, messages, stop } = surroundings(graph);
    for (let round = 1; round <= 2; round++) {
      const again = surroundings(graph);
      const parts = { ...options, signal: again.options.signal };
      await whileRunning(
        captured.carryCapturedChanges({ ...parts, elements }, () => undefined),
        again.stop,
        'all are kept',
        async () => graph.from === 'id-9',
      );
      graph.from = 'id-4';
    }
    stop();
    expect((await messages()).map(([key]) => key)).to.deep.equal(
      Array.from({ length: 9 }, (_, i) => `person/${i + 1}`),
    );
  });

  it('are all there of a transaction that is larger than a batch', async () => {
    const graph = new CapturingGraph();
    graph.from = 'id-0';
    graph.add(1, 0, person('c', null, { id: 0 }));
    for (let n = 1; n <= 20; n++) graph.add(2, n, person('c', null, { id: n }));
    graph.add(3, 0, person('c', null, { id: 21 }));
    const { options, messages, stop } = surroundings(graph);
    await whileRunning(
      captured.carryCapturedChanges({ ...options, elements }, () => undefined),
      stop,
      'all are kept',
      async () => graph.from === 'id-22',
    );
    expect((await messages()).map(([key]) => key)).to.deep.equal(
      Array.from({ length: 22 }, (_, i) => `person/${i}`),
    );
  });

  it('are set aside with the reason where their topic lacks a property, or the hub refuses them', async () => {
    const graph = new CapturingGraph();
    graph.from = 'id-0';
    graph.add(1, 0, person('c', null, { name: 'Ann' }));
    graph.add(1, 1, person('c', null, { id: 'a@b' }));
    graph.add(1, 2, person('c', null, { id: 3 }));
    const { options, messages, stop } = surroundings(graph);
    await whileRunning(
      captured.carryCapturedChanges({ ...options, elements }, () => undefined),
      stop,
      'all are kept',
      async () => graph.from === 'id-3',
    );
    expect((await messages()).map(([key]) => key)).to.deep.equal(['person/3']);
    expect(graph.refused.map(({ topic, reason }) => [topic, reason.split(';')[0]])).to.deep.equal([
      ['-', 'a property that the topic is made from is missing'],
      ['graph:person/a@b', 'bad_topic: topic: "graph:person/a@b" is no topic of a message'],
    ]);
  });

  it('are refused as a whole by an edition that has none, and the error says what to do', async () => {
    const graph = new CapturingGraph();
    const without: Graph = {
      run: async (query) => {
        if (query !== captured.CURRENT) return graph.run(query);
        throw new GraphError('Neo.ClientError.Procedure.ProcedureNotFound', 'There is no procedure');
      },
      close: () => graph.close(),
    };
    const { options } = surroundings(without);
    const failed = await captured
      .carryCapturedChanges({ ...options, elements }, () => undefined)
      .catch((error: Error) => error);
    expect((failed as Error).message).to.match(/^NEO4J_ELEMENTS: this edition of Neo4j captures no changes/);
  });
});

describe('Mappings of elements', () => {
  it('name a label or a type, and a topic', () => {
    const [person, knows] = parseElementMappings('(:Person)=graph:person/{id},\n[:KNOWS]=graph:knows');
    expect([person!.kind, person!.name, person!.fields]).to.deep.equal(['node', 'Person', ['id']]);
    expect(person!.topicOf(new Map([['id', '7']]))).to.equal('graph:person/7');
    expect(person!.topicOf(new Map())).to.equal(undefined);
    expect([knows!.kind, knows!.topicOf(new Map())]).to.deep.equal(['relationship', 'graph:knows']);
  });

  it('that are none are named', () => {
    for (const text of [
      'Person=graph:a',
      '(:Person)',
      '(:Person)=graph',
      '(:A B)=graph:a',
      '[:A]=graph:a b',
    ]) {
      expect(() => parseElementMappings(text), text).to.throw(`"${text}"`);
    }
    expect(() => parseElementMappings('(:A)=graph:a,(:A)=graph:b')).to.throw('"(:A)" is named twice');
  });
});
