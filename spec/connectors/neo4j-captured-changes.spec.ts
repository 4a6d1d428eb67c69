/** Captured changes, which only the Enterprise Edition has, over a stand-in for the session of the driver. */
import { expect } from 'chai';
import * as captured from '../../server/connectors/neo4j/captured-changes.js';
import {
  type Graph,
  GraphError,
  type GraphParameters,
  type GraphRow,
} from '../../server/connectors/neo4j/driver.js';
import { parseElementMappings } from '../../server/connectors/neo4j/element-mapping.js';
import { until } from '../support/wait.js';
import { surroundings, whileRunning } from './neo4j-surroundings.js';

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

  it('are messages with the state before and after, in the topic of their element', async () => {
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
      ['graph:person/a@b', 'bad_topic: topic: "graph:person/a@b" is not the topic of a message'],
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
    expect((failed as Error).message).to.match(
      /^NEO4J_ELEMENTS: this edition of Neo4j does not capture changes/,
    );
  });
});
